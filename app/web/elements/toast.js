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
    button.addEventListener("click", () => {
      by("main").focus({ preventScroll: true }); // the button goes
      endToast();
      undo();
    });
    box.append(button);
  }
  container.replaceChildren(box);
  wait();
}

export function endToast() {
  by("toast").replaceChildren();
}

function wait() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const container = by("toast");
    if (container.matches(":hover, :focus-within")) wait();
    else endToast();
  }, SECONDS * 1000);
}
