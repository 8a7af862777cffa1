// Finding movies by title, to rate them.

import { api, isAbort, Latest } from "../api.js";
import { announce, by, debounced, goToEnd, plural, say } from "../elements/dom.js";
import { MovieList } from "../elements/movies.js";

const PAGE = 8;

export class Search {
  #panel = by("search");
  #query = by("query");
  #latest = new Latest();
  #predicting = new Latest();
  #found = [];
  #predicted = new Map();
  #cursor = null;
  #sought = ""; // what the cursor goes on with

  constructor(session, actions) {
    this.session = session;
    this.list = new MovieList(by("results"), actions);
    const soon = debounced(() => this.load(), 200);
    this.#query.addEventListener("input", soon);
    this.#more.addEventListener("click", () => this.load({ more: true }));
  }

  get #more() {
    return this.#panel.querySelector("[data-more]");
  }

  reset() {
    this.#latest.abort();
    this.#predicting.abort();
    this.#query.value = "";
    this.#panel.classList.remove("busy");
    this.#empty();
  }

  focus() {
    this.#query.focus();
  }

  /** Search for what is typed, or for `more` of it. */
  async load({ more: isAsked = false } = {}) {
    const q = this.#query.value.trim();
    const more = isAsked && q === this.#sought;
    const signal = this.#latest.signal();
    if (!more) this.#predicting.abort();
    if (!q) {
      this.#panel.classList.remove("busy");
      this.#empty();
      return;
    }
    this.#panel.classList.add("busy");
    try {
      const page = await api.movies({ q, limit: PAGE, cursor: more ? this.#cursor : null }, signal);
      await this.#predict(page.movies, signal);
      this.#take(page, more, q);
    } catch (error) {
      if (isAbort(error)) return;
      if (!more) this.#empty();
      say(this.#panel, "The search failed.", error.message, { label: "Try again", run: () => this.load({ more }) });
    }
    this.#panel.classList.remove("busy");
  }

  /** Draw again, with the ratings as they are now. */
  refresh() {
    this.#draw();
  }

  /** Another rating makes other predictions. */
  async predictAgain() {
    this.#draw();
    try {
      await this.#predict(this.#found, this.#predicting.signal());
    } catch {
      return; // a later rating is on its way to others
    }
    this.#draw();
  }

  /** Own and predicted stars come from one question; without an answer the movies are shown without. */
  async #predict(movies, signal) {
    if (!movies.length) return;
    const user = this.session.id;
    const learn = this.session.reader();
    try {
      const { predictions } = await api.predict(user, movies.map((movie) => movie.movie_id), signal);
      if (user !== this.session.id) return;
      for (const { movie_id, predicted_stars, own_stars } of predictions) {
        this.#predicted.set(movie_id, predicted_stars);
        learn(movie_id, own_stars);
      }
    } catch (error) {
      if (isAbort(error)) throw error;
    }
  }

  #take(page, more, q) {
    this.#found = more ? [...this.#found, ...page.movies] : page.movies;
    this.#cursor = page.next_cursor;
    this.#sought = q;
    this.#draw();
    this.#more.hidden = !this.#cursor;
    say(this.#panel, this.#found.length ? "" : "No movie found.", `No title is like “${q}”.`);
    if (more && page.movies.length) this.list.row(page.movies[0].movie_id).rating.focus();
    else if (more && !this.#cursor) goToEnd(this.#panel);
    announce(this.#found.length ? `${plural(this.#found.length, "movie")}${this.#cursor ? " and more" : ""} found.` : "No movie found.");
  }

  #draw() {
    this.list.show(
      this.#found.map((movie) => ({
        movie,
        own: this.session.starsOf(movie.movie_id),
        predicted: this.#predicted.get(movie.movie_id) ?? null,
        badge: badgeOf(movie),
      })),
    );
  }

  #empty() {
    this.#found = [];
    this.#cursor = null;
    this.#predicted.clear();
    this.list.clear();
    this.#more.hidden = true;
    say(this.#panel, "");
  }
}

function badgeOf({ hidden, in_model }) {
  if (hidden) return { text: "hidden", title: "Never recommended" };
  if (!in_model) return { text: "new", title: "The model has not learned from this movie yet" };
  return null;
}
