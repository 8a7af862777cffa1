// Rows of movies, and lists of them that keep their rows when the order changes.

import { fromTemplate, node, plural } from "./dom.js";
import { Rating } from "./stars.js";

const HUES = {
  Action: 25, Adventure: 60, Animation: 330, "Children's": 95, Comedy: 80, Crime: 285, Documentary: 190, Drama: 250,
  Fantasy: 305, "Film-Noir": 270, Horror: 15, Musical: 345, Mystery: 295, Romance: 5, "Sci-Fi": 215, Thriller: 235,
  War: 125, Western: 50,
}; // prettier-ignore

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

/** A genre's position on the colour wheel, in degrees; the same for the same name. */
export function hueOf(genre) {
  return HUES[genre] ?? [...(genre ?? "")].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
}

const ARTICLE = /^(.+), (The|An?|L'|L[ae]s?|Il|El|Los|Der|Die|Das)$/;

/** A title as it is spoken, without the year: "Lion King, The (1994)" is "The Lion King". */
export function plainTitle({ title }) {
  const name = title.replace(/ \(\d{4}\)$/, "");
  const [, rest, article] = name.match(ARTICLE) ?? [];
  if (!rest) return name;
  return article === "L'" ? article + rest : `${article} ${rest}`;
}

/** A probability in few digits: 16%, 1.6%, 0.16%. */
export function percent(share) {
  if (share > 0 && share < 0.0001) return "<0.01%";
  return `${(share * 100).toFixed(share >= 0.0995 ? 0 : share >= 0.00995 ? 1 : 2)}%`;
}

/** One movie. Shown from: movie (as the API has it), own, predicted, badge, reasons, likely {share, of, text, hint}, when. */
export class MovieRow {
  #part = (name) => this.element.querySelector(name);

  constructor(movie, { give, similar, remove }) {
    this.element = fromTemplate("movie-template");
    this.element.dataset.movie = movie.movie_id;
    this.movie = movie;
    this.rating = new Rating(plainTitle(movie), (stars) => give(movie, stars));
    this.#part(".rating-container").replaceWith(this.rating.element);
    this.#describe(movie);
    const like = this.#part("[data-similar]");
    like.setAttribute("aria-label", `Similar to ${plainTitle(movie)}`);
    like.addEventListener("click", () => similar(movie));
    if (remove) {
      const button = this.#part("[data-remove]");
      button.hidden = false;
      button.setAttribute("aria-label", `Delete the rating of ${plainTitle(movie)}`);
      button.addEventListener("click", () => remove(movie));
    }
  }

  update({ own = null, predicted = null, badge = null, reasons = null, likely = null, when = null }) {
    this.rating.update(own, predicted);
    this.#text(".badge", badge?.text, badge?.title);
    this.#text(".when", when?.text, when?.title);
    this.#explain(reasons);
    this.#part(".likely").hidden = !likely;
    if (likely) {
      this.#part(".bar-fill").style.setProperty("--share", Math.min(1, likely.share / (likely.of || 1)));
      this.#part(".likely-text").replaceChildren(likely.text, node("span", "unseen", likely.hint ? ` ${likely.hint}` : ""));
    }
  }

  #describe(movie) {
    const title = plainTitle(movie);
    this.#part(".title-text").textContent = title;
    this.#part(".year").textContent = movie.year ? ` (${movie.year})` : "";
    this.#part(".genres").textContent = movie.genres.join(" · ");
    const [century, year] = this.element.querySelectorAll(".tile span");
    century.textContent = movie.year ? String(movie.year).slice(0, 2) : "";
    year.textContent = movie.year ? String(movie.year).slice(2) : "";
    this.#part(".tile").title = movie.year ?? "";
    const hue = hueOf(movie.genres[0]);
    this.#part(".tile").style.setProperty("--hue", hue);
    this.#part(".tile").style.setProperty("--hue-2", movie.genres[1] ? hueOf(movie.genres[1]) : hue + 18);
  }

  #text(name, text, title) {
    const element = this.#part(name);
    element.hidden = !text;
    element.textContent = text ?? "";
    element.title = title ?? "";
  }

  #explain(reasons) {
    const container = this.#part(".reasons");
    container.hidden = !reasons?.length;
    if (container.hidden) return;
    const titles = reasons.map((reason) => node("cite", "", plainTitle(reason)));
    container.replaceChildren("because you rated ", ...titles.flatMap((title, at) => (at ? [", ", title] : [title])));
  }
}

/** A list element whose rows are movies. */
export class MovieList {
  #rows = new Map();

  constructor(element, actions) {
    this.element = element;
    this.actions = actions;
  }

  get movies() {
    return [...this.#rows.values()].map((row) => row.movie);
  }

  row(movieId) {
    return this.#rows.get(movieId);
  }

  /** Show these entries ({movie, ...} as `MovieRow.update` takes them), in their order; rows that stay slide to their new position. */
  show(entries, { animate = false } = {}) {
    const before = animate && !still.matches ? this.#tops() : null;
    const focused = this.#focusedIndex();
    const rows = new Map();
    for (const entry of entries) {
      const id = entry.movie.movie_id;
      const row = this.#rows.get(id) ?? new MovieRow(entry.movie, this.actions);
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

/** How a list of ratings is spoken of. */
export const ratingsOf = (count) => plural(count, "rating");
