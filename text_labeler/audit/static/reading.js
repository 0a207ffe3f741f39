// The reading screen: times each read, shows the choice at once, fetches what comes next.

import { keepPictures, showPictures } from "./viewer.js";

const PAUSE = 150; // ms on an item, before the next one is held and its pictures are fetched

let shownAt = 0;
let waiting = 0;

function showScreen() {
  const screen = document.getElementById("screen");
  if (!screen || screen.dataset.shown) return;
  screen.dataset.shown = "yes";
  shownAt = performance.now();
  document.getElementById("message").replaceChildren();
  showPictures(screen);
  clearTimeout(waiting);
  if (screen.dataset.item) waiting = setTimeout(fetchNext, PAUSE, screen);
}

async function fetchNext(screen) {
  // Nothing depends on it: where it fails, the next item is only slower.
  const answer = await fetch(`/read/${screen.dataset.desk}/next`).catch(() => null);
  if (answer?.ok && screen.isConnected) keepPictures(await answer.json());
}

// Before htmx gathers the form: a second key is dropped until the answer is there.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.busy) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  form.dataset.busy = "yes";
  if (form.id !== "answer") return;
  form.elements.seconds.value = ((performance.now() - shownAt) / 1000).toFixed(3);
  event.submitter?.classList.add("chosen");
}, true);

document.addEventListener("htmx:finally:request", () => {
  for (const form of document.querySelectorAll("form[data-busy]")) {
    delete form.dataset.busy;
    form.querySelector(".chosen")?.classList.remove("chosen");
  }
});

document.addEventListener("htmx:error", () => {
  const line = Object.assign(document.createElement("p"), {
    className: "told",
    textContent: "The server does not answer. Nothing was lost that you saw recorded; press the key again.",
  });
  document.getElementById("message").replaceChildren(line);
});

// The panel opens when something was put into it.
new MutationObserver(() => {
  const panel = document.getElementById("panel");
  if (!panel.open && document.getElementById("panel-body").childElementCount) panel.showModal();
}).observe(document.getElementById("panel-body"), { childList: true });
document.getElementById("panel").addEventListener("close", () => {
  document.getElementById("panel-body").replaceChildren();
});
// Not before htmx knows a new screen's buttons: until then keys.js presses none of them.
document.addEventListener("htmx:after:process", showScreen);

document.addEventListener("keydown", (event) => {
  const report = document.getElementById("report");
  if (event.target.matches("textarea") || document.querySelector("dialog[open]") || !report) return;
  if (event.key === "j") report.scrollBy(0, 120);
  if (event.key === "k") report.scrollBy(0, -120);
});

showScreen();
