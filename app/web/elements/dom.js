// What every part of the page does with nodes.

export const by = (id) => document.getElementById(id);

/** The first element of a <template>, ready to fill in. */
export function fromTemplate(id) {
  return by(id).content.firstElementChild.cloneNode(true);
}

/** An element with a class and text, for what needs no template. */
export function node(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Say something in a panel where movies would be: an empty state or an error. Without a title, say nothing. */
export function say(panel, title, text = "", action = null) {
  const container = panel.querySelector("[data-message]");
  if (container.contains(document.activeElement)) container.focus({ preventScroll: true }); // its button goes
  container.replaceChildren();
  if (!title) return;
  const box = fromTemplate("message-template");
  box.querySelector(".message-title").textContent = title;
  box.querySelector(".message-text").textContent = text;
  if (action) {
    const button = box.querySelector("button");
    button.textContent = action.label;
    button.hidden = false;
    button.addEventListener("click", action.run);
  }
  container.append(box);
}

/** Go to word of the end where nothing more came to a list: the button that asked for it is gone. */
export function goToEnd(panel) {
  const container = panel.querySelector("[data-message]");
  if (!container.hasChildNodes()) say(panel, "That is all.");
  container.focus({ preventScroll: true });
}

/** Tell a screen reader what changed on the page. */
export function announce(text) {
  by("live").textContent = text;
}

export function debounced(run, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), milliseconds);
  };
}

/** Close on the close button, on Escape (the browser does) and on a click beside the dialog. */
export function closable(dialog) {
  for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("mousedown", ({ target, clientX, clientY }) => {
    const box = dialog.getBoundingClientRect();
    const inside = clientX >= box.left && clientX <= box.right && clientY >= box.top && clientY <= box.bottom;
    if (target === dialog && !inside) dialog.close();
  });
}

export const plural = (count, noun, nouns = `${noun}s`) => `${count.toLocaleString("en")} ${count === 1 ? noun : nouns}`;
