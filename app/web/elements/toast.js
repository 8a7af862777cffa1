// A short word on what was just done, with a way back.

import { by, node } from "./dom.js";

const SECONDS = 7;
let timer;

export function toast(text, { undo = null, fault = false } = {}) {
  const place = by("toast");
  const box = node("div", fault ? "toast-box fault" : "toast-box");
  box.append(node("span", "", text));
  if (undo) {
    const button = node("button", "button quiet small", "Undo");
    button.type = "button";
    button.addEventListener("click", () => {
      place.replaceChildren();
      undo();
    });
    box.append(button);
  }
  place.replaceChildren(box);
  wait();
}

function wait() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const place = by("toast");
    if (place.matches(":hover, :focus-within")) wait();
    else place.replaceChildren();
  }, SECONDS * 1000);
}
