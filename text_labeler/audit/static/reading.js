// The reading screen: times each read, shows the choice at once, fetches what comes next.

import { keepPictures, showPictures } from "./viewer.js";

const PAUSE = 150; // ms on an item, before the next one is held and its pictures are fetched

const LONGEST = 86400; // s: who comes back to an open page after days still answers it

let shownAt = 0;
let waiting = 0;
let focused = ""; // what takes the focus, where the screen that is gone had it

function showScreen() {
  const screen = document.getElementById("screen");
  if (!screen || screen.dataset.shown) return;
  screen.dataset.shown = "yes";
  shownAt = performance.now();
  document.getElementById("message").replaceChildren();
  // The count makes each text another one: the same one again would not be read out.
  const told = [".count", "h1"].map((part) => screen.querySelector(part)?.textContent ?? "");
  document.getElementById("spoken").textContent = told.join(". ");
  if (focused) screen.querySelector(focused)?.focus({ preventScroll: true });
  focused = "";
  takeDraft(screen);
  showPictures(screen);
  clearTimeout(waiting);
  if (screen.dataset.item) waiting = setTimeout(fetchNext, PAUSE, screen);
}

// What was typed for an answer that was refused comes back with its item, after a new log-in too.
function keepDraft() {
  const form = document.getElementById("answer");
  if (!form) return;
  const kept = ["note", "flag", "error_class"].map((name) => [name, new FormData(form).get(name) ?? ""]);
  sessionStorage.setItem("draft", JSON.stringify({ item: form.closest("main").dataset.item, ...Object.fromEntries(kept) }));
}

function takeDraft(screen) {
  const draft = JSON.parse(sessionStorage.getItem("draft") ?? "{}");
  if (!draft.item || draft.item !== screen.dataset.item) return;
  sessionStorage.removeItem("draft");
  const { note, flag, error_class: chosen } = document.getElementById("answer").elements;
  note.value ||= draft.note;
  flag.checked ||= Boolean(draft.flag);
  if (chosen) chosen.value = draft.error_class;
}

async function fetchNext(screen) {
  // Nothing depends on it: where it fails, the next item is only slower.
  const answer = await fetch(`/read/${screen.dataset.desk}/next`).catch(() => null);
  if (answer?.ok && screen.isConnected) keepPictures(await answer.json());
}

// A second click on a button would answer the item that took its place.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest?.("#screen button:not([data-view])")) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

// Before htmx gathers the form: a second key is dropped until the answer is there.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (document.querySelector("form[data-busy]")) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  form.dataset.busy = "yes";
  if (form.id !== "answer") return;
  form.elements.seconds.value = Math.min(LONGEST, (performance.now() - shownAt) / 1000).toFixed(3);
  event.submitter?.classList.add("chosen");
}, true);

document.addEventListener("htmx:finally:request", () => {
  for (const form of document.querySelectorAll("form[data-busy]")) {
    delete form.dataset.busy;
    form.querySelector(".chosen")?.classList.remove("chosen");
  }
});

document.addEventListener("htmx:before:swap", () => {
  const active = document.activeElement;
  const isInside = document.getElementById("screen").contains(active);
  focused = isInside ? (active.matches("canvas") ? "canvas" : "#report, .done a") : "";
});

document.addEventListener("htmx:response:error", keepDraft);

document.addEventListener("htmx:error", () => {
  keepDraft();
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
