// A short word on what was just done, with a way back.

import { by, node } from "./dom.js";

const SECONDS = 7;
let timer;

/** `content` is text, or a list of texts and nodes. */
export function toast(content, { undo = null, error = false } = {}) {
  const container = by("toast");
  const box = node("div", error ? "toast-box error" : "toast-box");
  const words = node("span");
  words.append(...[content].flat());
  box.append(words);
  if (undo) {
    const button = node("button", "button quiet small", "Undo");
    button.type = "button";
    button.dataset.undo = "";
    button.title = "Ctrl+Z or ⌘Z";
    button.setAttribute("aria-keyshortcuts", "Control+Z Meta+Z");
    button.addEventListener("click", () => {
      endToast();
      undo();
    });
    box.append(button);
  }
  endToast();
  container.append(box);
  wait();
}

export function endToast() {
  const container = by("toast");
  if (container.contains(document.activeElement)) by("main").focus({ preventScroll: true }); // its button goes
  container.replaceChildren();
}

// By Tab the button is too far away to be reached in time.
document.addEventListener("keydown", (event) => {
  const isUndo = ["z", "Z"].includes(event.key) && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
  if (!isUndo || event.target.closest("input, select, textarea, dialog")) return;
  const button = by("toast").querySelector("[data-undo]");
  if (!button) return;
  event.preventDefault();
  button.click();
});

function wait() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const container = by("toast");
    if (container.matches(":hover, :focus-within")) wait();
    else endToast();
  }, SECONDS * 1000);
}
