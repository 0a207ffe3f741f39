// Every action is an element with data-key: pressing the key clicks it, and `?` lists them all.

import { tellNextMark } from "./marks.js";

const TWICE = 300; // ms: the same key again within them is one press that bounced

const ALWAYS = [
  ["← →", "narrower or wider window"],
  ["↑ ↓", "brighter or darker"],
  ["⇧ + arrows", "move the X-ray (or drag with ⇧)"],
  ["drag", "window and level on the X-ray"],
  ["j k", "scroll the report"],
  ["r", "the rule behind the next marked words"],
  ["Esc", "close, or leave a note"],
];

export function nameOf(event) {
  const digit = /^Digit(\d)$/.exec(event.code);
  if (event.shiftKey && digit) return `Shift+${digit[1]}`;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  // On a French keyboard the keys of the digits give other characters.
  return digit && !find(name) ? digit[1] : name;
}

function find(key) {
  return document.querySelector(`[data-key="${CSS.escape(key)}"]`);
}

function isTyping(target) {
  return target.matches("textarea, input:not([type=radio], [type=checkbox])");
}

function openDialog() {
  return document.querySelector("dialog[open]");
}

const pressedAt = new Map(); // of each key

function isBounce(key) {
  const before = pressedAt.get(key) ?? -Infinity;
  pressedAt.set(key, performance.now());
  return performance.now() - before < TWICE;
}

function press(element) {
  if (element.matches("textarea")) element.focus();
  else element.click();
}

function showHelp() {
  const list = document.getElementById("keys");
  const rows = [...document.querySelectorAll("[data-key]")].map((e) => [e.dataset.key, e.dataset.help]);
  list.replaceChildren(
    ...[...rows, ...ALWAYS].map(([key, help]) => {
      const term = document.createElement("dt");
      const words = document.createElement("dd");
      term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
      words.textContent = help;
      const row = document.createElement("div");
      row.append(term, words);
      return row;
    }),
  );
  document.getElementById("help").showModal();
}

const ACTIONS = {
  help: showHelp,
  close: () => openDialog()?.close(),
  theme: () => {
    const root = document.documentElement;
    const isDark = getComputedStyle(root).colorScheme.startsWith("dark")
      || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  },
};

document.addEventListener("click", (event) => {
  ACTIONS[event.target.closest?.("[data-does]")?.dataset.does]?.();
});

let opening = ""; // the key that opened the note, as long as it is held: it is not typed

document.addEventListener("keyup", () => { opening = ""; });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    if (event.repeat && event.key === opening) event.preventDefault();
    return;
  }
  const key = nameOf(event);
  if (key === "r" && !event.repeat) tellNextMark();
  const dialog = openDialog();
  if (dialog) {
    if (key === "?" || key === "h" || key === "g" || key === "e") dialog.close();
    return;
  }
  // Enter and space press what has the focus, as everywhere.
  if ((key === "Enter" || key === " ") && event.target.matches("a, button, summary, input")) {
    // Held down it would answer the next item as well; Enter in a box sends the first verdict.
    if (event.repeat || (key === "Enter" && event.target.matches("#answer input"))) event.preventDefault();
    return;
  }
  if (document.querySelector("#screen:not([data-shown])")) return;
  const element = find(key);
  if (!element || (event.repeat && !element.dataset.view)) return;
  event.preventDefault();
  if (element.closest("form") && !element.matches("input, textarea") && isBounce(key)) return;
  if (element.matches("textarea")) opening = event.key;
  press(element);
});
