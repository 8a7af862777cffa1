// Rows of movies, and lists of them that keep their rows when the order changes.

import { fromTemplate, node } from "./dom.js";
import { Rating, spoken } from "./stars.js";

const HUES = {
  Action: 25, Adventure: 60, Animation: 330, "Children's": 95, Comedy: 80, Crime: 285, Documentary: 190, Drama: 250,
  Fantasy: 305, "Film-Noir": 270, Horror: 15, Musical: 345, Mystery: 295, Romance: 5, "Sci-Fi": 215, Thriller: 235,
  War: 125, Western: 50,
}; // prettier-ignore

/** What users did in place of giving stars, in words. */
const DONE = { like: "liked", watch: "watched" };

/** A click that comes this soon after a row has taken another's place was meant for the other one. */
const MOVED_MILLISECONDS = 600;

const IMAGE_URL = document.querySelector("meta[name=image-url]").content;

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

/** A genre's position on the colour wheel, in degrees; the same for the same name. */
export function hueOf(genre) {
  return HUES[genre] ?? sumOf(genre ?? "") % 360;
}

const sumOf = (text) => [...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7);

/** A probability in whole percent. */
export const percent = (share) => `${Math.round(share * 100)}%`;

/** The address of a movie's picture; null where the service has no source of pictures or the movie no id of it. */
function pictureOf(movie) {
  const named = [...IMAGE_URL.matchAll(/\{(\w+)\}/g)].map(([, name]) => movie[name]);
  if (!named.length || named.some((id) => id === null || id === undefined)) return null;
  return IMAGE_URL.replaceAll(/\{(\w+)\}/g, (_, name) => movie[name]);
}

/** A movie's ticket: its picture, or the initials of its title, in the colours of its genres, turned by its title. */
export function drawTile(tile, movie) {
  const { display_title, genres } = movie;
  const words = display_title.replace(/^(The|An?) /, "").match(/[\p{L}\p{N}]+/gu) ?? [];
  tile.textContent = words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
  const hue = hueOf(genres[0]);
  tile.style.setProperty("--hue", hue);
  tile.style.setProperty("--hue-2", genres[1] ? hueOf(genres[1]) : hue + 18);
  tile.style.setProperty("--turn", `${sumOf(display_title) % 360}deg`);
  const picture = pictureOf(movie);
  if (!picture) return;
  const image = node("img");
  image.alt = "";
  image.loading = "lazy";
  image.addEventListener("error", () => image.remove());
  image.src = picture;
  tile.append(image);
}

/** The ratings and events of someone that speak for a movie, in words. */
export function because(reasons, opening = "because ", who = "you ") {
  const given = reasons.filter(({ feedback }) => !feedback);
  const parts = given.flatMap(({ display_title, stars }, at) => [
    at ? ", " : "", node("cite", "", display_title), at ? ` ${stars}` : ` ${spoken(stars)}`,
  ]); // prettier-ignore
  const done = reasons.filter(({ feedback }) => feedback).map((reason) => [DONE[reason.feedback] ?? "chose", reason]);
  const doings = [...new Set(done.map(([word]) => word))].flatMap((doing, number) => {
    const cites = done.filter(([word]) => word === doing).flatMap(([, { display_title }], at) => [
      at ? ", " : "", node("cite", "", display_title),
    ]); // prettier-ignore
    return [given.length || number ? ", " : "", `${who}${doing} `, ...cites];
  });
  return [opening, ...(given.length ? [`${who}gave `, ...parts] : []), ...doings];
}

/**
 * One movie. Shown from: movie (as the API has it), own, predicted, badge, reasons, likely {share, text, hint}, when.
 * `actions` has give and addressOf, and may have marks {isListed, list, isDismissed, dismiss}, buttons for the watch list
 * and what is of no interest, and act {word, label, run}, a button at the end, which movies have that `isFor` says.
 */
export class MovieRow {
  #part = (name) => this.element.querySelector(name);
  #moved = -Infinity;

  #marks;
  #act;

  constructor(movie, { give, addressOf, act, marks = null }) {
    this.element = fromTemplate("movie-template");
    this.element.dataset.movie = movie.movie_id;
    this.rating = new Rating(movie.display_title, (stars) => give(this.movie, stars), () => this.#isAtRest());
    this.#part(".rating-container").replaceWith(this.rating.element);
    this.#describe(movie, addressOf);
    this.#part(".actions").hidden = !act && !marks;
    this.#marks = marks;
    this.#act = act;
    if (marks) {
      this.#button("[data-list]", () => marks.list(this.movie));
      this.#button("[data-dismiss]", () => marks.dismiss(this.movie));
    }
    if (act) {
      const button = this.#part("[data-act]");
      button.textContent = act.word;
      button.addEventListener("click", () => this.#isAtRest() && act.run(this.movie));
    }
  }

  /** The row stands where another one stood. */
  moved() {
    this.#moved = performance.now();
  }

  update({ movie, own = null, predicted = null, badge = null, reasons = null, likely = null, when = null }) {
    this.movie = movie; // of the list that is shown now: marks name that list
    this.rating.update(own, predicted);
    if (this.#marks) {
      showListed(this.#part("[data-list]"), movie, this.#marks.isListed(movie));
      showDismissed(this.#part("[data-dismiss]"), movie, this.#marks.isDismissed(movie));
    }
    if (this.#act) this.#drawAct(movie);
    this.#text(".badge", badge?.text, badge?.title);
    this.#text(".when", when?.text, when?.title);
    this.#part(".reasons").hidden = !reasons?.length;
    if (reasons?.length) this.#part(".reasons").replaceChildren(...because(reasons));
    this.#part(".likely").hidden = !likely;
    if (likely) {
      this.#part(".bar-fill").style.setProperty("--share", likely.share);
      this.#part(".likely-text").replaceChildren(likely.text, node("span", "unseen", likely.hint ? ` ${likely.hint}` : ""));
    }
  }

  #drawAct(movie) {
    const button = this.#part("[data-act]");
    button.hidden = !(this.#act.isFor?.(movie) ?? true);
    button.ariaLabel = button.title = this.#act.label(movie);
  }

  #button(name, run) {
    const button = this.#part(name);
    button.hidden = false;
    button.addEventListener("click", () => this.#isAtRest() && run());
  }

  #isAtRest() {
    return performance.now() - this.#moved > MOVED_MILLISECONDS;
  }

  #describe(movie, addressOf) {
    this.#part(".title-text").textContent = movie.display_title;
    this.#part(".title-text").href = addressOf(movie);
    this.#part(".title-text").dataset.go = "movie";
    this.#part(".year").textContent = movie.year ? ` (${movie.year})` : "";
    this.#part(".genres").textContent = movie.genres.join(" · ");
    drawTile(this.#part(".tile"), movie);
  }

  #text(name, text, title) {
    const element = this.#part(name);
    element.hidden = !text;
    element.textContent = text ?? "";
    element.title = title ?? "";
  }
}

/** A button of the watch list says what it does, and whether the movie is on it. */
export function showListed(button, { display_title }, isListed) {
  const label = isListed ? `Take ${display_title} off the watch list` : `Put ${display_title} on the watch list`;
  button.classList.toggle("listed", isListed);
  button.setAttribute("aria-label", label);
  button.title = label;
}

/** A button for what is of no interest is pressed where the movie is; another press takes that back. */
export function showDismissed(button, { display_title }, isDismissed) {
  button.setAttribute("aria-label", `Not interested in ${display_title}`);
  button.setAttribute("aria-pressed", String(isDismissed));
  button.title = isDismissed ? "Recommend it again" : "Not interested";
}

/** A list element whose rows are movies. */
export class MovieList {
  #rows = new Map();

  constructor(element, actions) {
    this.element = element;
    this.actions = actions;
  }

  row(movieId) {
    return this.#rows.get(movieId);
  }

  /** Show these entries ({movie, ...} as `MovieRow.update` takes them), in their order; rows that stay slide to their new position. */
  show(entries, { animate = false } = {}) {
    const before = animate && !still.matches ? this.#tops() : null;
    const focused = this.#focusedIndex();
    const places = [...this.#rows.values()];
    const rows = new Map();
    for (const entry of entries) {
      const id = entry.movie.movie_id;
      const row = this.#rows.get(id) ?? new MovieRow(entry.movie, this.actions);
      const place = places[rows.size];
      if (place && place !== row) row.moved();
      row.update(entry);
      rows.set(id, row);
    }
    this.#rows = rows;
    this.#arrange([...rows.values()].map((row) => row.element));
    if (focused !== null && !this.element.contains(document.activeElement)) this.#focusAt(focused);
    if (before) this.#slide(before);
  }

  clear() {
    this.show([]);
  }

  /** Bring the children into this order while the rows that stay keep the focus, which a move would lose. */
  #arrange(elements) {
    const staying = new Set(elements);
    for (const child of [...this.element.children]) if (!staying.has(child)) child.remove();
    const active = elements.find((element) => element.contains(document.activeElement));
    const at = elements.indexOf(active);
    if (at < 0) {
      this.element.replaceChildren(...elements);
      return;
    }
    for (const element of elements.slice(0, at)) active.before(element);
    for (const element of elements.slice(at + 1).reverse()) active.after(element);
  }

  #focusedIndex() {
    const index = [...this.element.children].findIndex((row) => row.contains(document.activeElement));
    return index < 0 ? null : index;
  }

  #focusAt(index) {
    const rows = [...this.#rows.values()];
    if (rows.length) rows[Math.min(index, rows.length - 1)].rating.focus();
    else this.element.closest(".panel").querySelector("[data-message]").focus({ preventScroll: true });
  }

  #tops() {
    return new Map([...this.#rows].map(([id, row]) => [id, row.element.getBoundingClientRect().top]));
  }

  #slide(before) {
    for (const [id, row] of this.#rows) {
      const from = before.get(id);
      if (from === undefined) {
        row.element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 400, easing: "ease-out" });
        continue;
      }
      const by = from - row.element.getBoundingClientRect().top;
      if (by) {
        const steps = [{ transform: `translateY(${by}px)` }, { transform: "none" }];
        row.element.animate(steps, { duration: 320, easing: "cubic-bezier(.2,.7,.2,1)" });
      }
    }
  }
}
