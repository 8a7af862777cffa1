// A row of five stars: what is predicted, what the user gave, and the control to give it. In a service without stars, two
// buttons stand in their place: one to like the movie, and one to say that it is watched.

import { LIKED } from "../api.js";
import { fromTemplate, node } from "./dom.js";

/** What is given in place of stars for a movie that was watched. */
export const WATCHED = "watch";

const STEPS = Array.from({ length: 10 }, (_, step) => (step + 1) / 2);

/** Stars as they are spoken: "4.5 stars", "1 star"; or "liked". */
export const spoken = (stars) => (stars === LIKED ? "liked" : `${stars} star${stars === 1 ? "" : "s"}`);

/**
 * A radio group of ten half stars. Arrow keys, Home, End and the digits 1 to 5 move, Enter or Space gives the stars, Escape
 * goes back; so a list that reorders on every rating does not run away under the keys. By mouse and finger the position within
 * the row counts.
 */
export class Rating {
  #radios;
  #group;
  #title;
  #like;
  #own = null;
  #predicted = null;
  #preview = null;
  #isKnown = true;
  #drag = null;
  #dragged = false; // a drag gave stars, and a click may follow on it

  /** `give` is told the stars that are given while `atRest` says that the row is at rest. */
  constructor(title, give, atRest = () => true) {
    this.element = fromTemplate("rating-template");
    this.#title = title;
    this.#group = this.element.querySelector(".stars");
    this.#radios = STEPS.map((stars) => this.#radio(stars));
    this.#group.append(...this.#radios);
    this.give = give;
    this.atRest = atRest;
    this.#group.addEventListener("keydown", (event) => this.#key(event));
    this.#group.addEventListener("focusin", (event) => {
      if (event.target.matches(":focus-visible")) this.#show(STEPS[this.#radios.indexOf(event.target)]);
    });
    this.#group.addEventListener("focusout", () => this.#show(null));
    this.#group.addEventListener("click", (event) => {
      const step = this.#radios.indexOf(event.target);
      if (step >= 0 && !this.#dragged) this.#giveStars(STEPS[step]);
      this.#dragged = false;
    });
    this.#pointer();
    this.#like = this.#button("[data-like]", () => this.#giveStars(this.#own === null ? LIKED : null));
    this.#button("[data-watched]", () => this.give(WATCHED)).setAttribute("aria-label", `You have watched ${title}`);
    this.update(null, null, false);
  }

  /** Show these stars; without `isKnown`, none does not mean that there is no rating. */
  update(own, predicted, isKnown = true) {
    this.#isKnown = isKnown;
    this.#own = own;
    this.#predicted = predicted;
    const prediction = predicted === null ? "" : `, predicted ${predicted.toFixed(1)} stars`;
    this.#group.setAttribute("aria-label", `Your rating of ${this.#title}${prediction}`);
    for (const [step, radio] of this.#radios.entries()) radio.setAttribute("aria-checked", String(STEPS[step] === own));
    this.#like.setAttribute("aria-label", `Like ${this.#title}`);
    this.#like.setAttribute("aria-pressed", String(own !== null));
    if (own === LIKED) {
      this.element.dataset.kind = "own";
      return;
    }
    this.#tabStop(own ?? (predicted === null ? 3 : Math.min(5, Math.max(0.5, Math.round(predicted * 2) / 2))));
    this.#draw();
  }

  /** Put the focus on the stars, or the button in their place. */
  focus() {
    this.#radios.find((radio) => radio.tabIndex === 0).focus();
    if (!this.element.contains(document.activeElement)) this.#like.focus();
  }

  #button(name, run) {
    const button = this.element.querySelector(name);
    button.addEventListener("click", () => this.atRest() && run());
    return button;
  }

  #radio(stars) {
    const radio = node("span");
    radio.setAttribute("role", "radio");
    radio.setAttribute("aria-label", spoken(stars));
    return radio;
  }

  #tabStop(stars) {
    for (const [step, radio] of this.#radios.entries()) radio.tabIndex = STEPS[step] === stars ? 0 : -1;
  }

  #key(event) {
    const at = this.#radios.indexOf(event.target);
    const moves = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: 9 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) this.#move(moves[event.key]);
    else if ("12345".includes(event.key)) this.#move(Number(event.key) * 2 - 1);
    else if (event.key === "Enter" || event.key === " ") this.#giveStars(STEPS[at]);
    else if (event.key === "Escape" && this.#preview !== null) this.#goBack();
    else return;
    event.preventDefault();
    if (event.key === "Escape") event.stopPropagation();
  }

  #goBack() {
    this.update(this.#own, this.#predicted, this.#isKnown);
    this.focus(); // shows what it goes to
    this.#show(null);
  }

  #move(step) {
    const radio = this.#radios[Math.min(9, Math.max(0, step))];
    this.#tabStop(STEPS[this.#radios.indexOf(radio)]);
    radio.focus();
  }

  #pointer() {
    const group = this.#group;
    group.addEventListener("pointerdown", (event) => {
      this.#dragged = false;
      if (event.pointerType !== "mouse") this.#drag = { from: event.clientX, moved: false };
    });
    group.addEventListener("pointermove", (event) => {
      if (this.#drag && Math.abs(event.clientX - this.#drag.from) > 6) this.#drag.moved = true;
      this.#show(this.#under(event));
    });
    group.addEventListener("pointerup", (event) => {
      const drag = this.#drag;
      this.#drag = null;
      this.#dragged = drag?.moved ?? false;
      if (this.#dragged) this.#giveStars(this.#under(event));
    });
    for (const end of ["pointerleave", "pointercancel"]) {
      group.addEventListener(end, () => {
        this.#drag = null;
        this.#show(null);
      });
    }
  }

  /** The stars under a pointer. */
  #under(event) {
    const box = this.#group.getBoundingClientRect();
    const step = Math.floor(((event.clientX - box.left) / box.width) * 10);
    return STEPS[Math.min(9, Math.max(0, step))];
  }

  /** Stars that are there already are not given again: the rating would get another time, and Undo would lead back to them. */
  #giveStars(stars) {
    if (!this.atRest() || stars === this.#own) return;
    this.#preview = null;
    this.update(stars, this.#predicted);
    this.give(stars);
  }

  #show(stars) {
    this.#preview = stars === this.#own ? null : stars;
    this.#draw();
  }

  #draw() {
    const shown = this.#preview ?? this.#own ?? this.#predicted;
    const kind = this.#preview !== null ? "preview" : this.#own !== null ? "own" : shown !== null ? "predicted" : "none";
    const captions = { preview: "your rating?", own: "you rated", predicted: "predicted", none: this.#isKnown ? "not rated" : "" };
    this.element.dataset.kind = kind;
    this.#group.style.setProperty("--stars", shown ?? 0);
    this.element.querySelector(".rating-number").textContent = shown === null ? "" : shown.toFixed(1);
    this.element.querySelector(".rating-caption").textContent = captions[kind];
  }
}
