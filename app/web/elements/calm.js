// When the rows of a list may move: not under a pointer that is about to click.

const STILL_MILLISECONDS = 1500;

let byKeyboard = false;
document.addEventListener("keydown", () => (byKeyboard = true), true);
document.addEventListener("pointerdown", () => (byKeyboard = false), true);

/** Wait until no pointer is over the element, or it has not moved there for a moment; by keyboard there is no wait. */
export function calm(element) {
  if (byKeyboard || !element.matches(":hover")) return Promise.resolve();
  return new Promise((resolve) => {
    let timer;
    const end = () => {
      clearTimeout(timer);
      element.removeEventListener("pointermove", wait);
      element.removeEventListener("mouseleave", end);
      resolve();
    };
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(end, STILL_MILLISECONDS);
    };
    element.addEventListener("pointermove", wait);
    element.addEventListener("mouseleave", end);
    wait();
  });
}
