// A short word on what was just done, with a way back.

import { by, fromTemplate } from "./dom.js";

const SECONDS = 7;
const PASSING_MILLISECONDS = 600;
let timer;

/** `content` is text, or a list of texts and nodes. */
export function toast(content, { undo = null, error = false } = {}) {
  endToast();
  const box = fromTemplate("toast-template");
  box.classList.toggle("error", error);
  box.querySelector("span").append(...[content].flat());
  const button = box.querySelector("[data-undo]");
  if (!undo) button.remove();
  button.addEventListener("click", () => {
    endToast();
    undo();
  });
  box.querySelector("[data-close]").addEventListener("click", endToast);
  letClicksPass(box);
  by("toast").append(box);
  wait();
}

/** The second click of a double click is meant for what the box has just covered. */
function letClicksPass(box) {
  box.style.pointerEvents = "none";
  setTimeout(() => (box.style.pointerEvents = ""), PASSING_MILLISECONDS);
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
