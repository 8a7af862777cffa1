// The watch list: what the user means to see, what was added last first.

import { api, isAbort, Latest } from "../api.js";
import { announce, by, goToEnd, plural, say } from "../elements/dom.js";
import { MovieList } from "../elements/movies.js";

const PAGE = 100;

export class Watchlist {
  #panel = by("watchlist");
  #latest = new Latest();
  #movies = [];
  #predicted = new Map();
  #cursor = null;

  constructor(session, actions) {
    this.session = session;
    this.list = new MovieList(by("watchlist-movies"), actions);
    this.#more.addEventListener("click", () => this.load({ more: true }));
  }

  get #more() {
    return this.#panel.querySelector("[data-more]");
  }

  /** What is on its way is of the user before. */
  reset() {
    this.#latest.abort();
  }

  async load({ more = false } = {}) {
    const signal = this.#latest.signal();
    this.#panel.classList.add("busy");
    if (!more) this.#take({ movies: [], next_cursor: null });
    say(this.#panel, "");
    try {
      const page = await api.watchlist(this.session.id, { cursor: more ? this.#cursor : null, limit: PAGE, signal });
      this.session.learnListed(page.movies);
      await this.#predict(page.movies, signal);
      this.#take({ ...page, movies: more ? [...this.#movies, ...page.movies] : page.movies });
      this.#sayIfEmpty();
      if (more) this.#goOnWith(page.movies);
    } catch (error) {
      if (isAbort(error)) return;
      say(this.#panel, "The watch list is missing.", error.message, { label: "Try again", run: () => this.load({ more }) });
    }
    this.#panel.classList.remove("busy");
  }

  /** Draw again, with ratings and marks as they are now; what was taken off the list stays until it is opened anew. */
  refresh() {
    if (this.#panel.hidden) return;
    this.#draw();
  }

  async #predict(movies, signal) {
    if (!movies.length) return;
    const learn = this.session.reader();
    try {
      const { predictions } = await api.predict(this.session.id, movies.map((movie) => movie.movie_id), signal);
      for (const { movie_id, predicted_stars, own_stars } of predictions) {
        this.#predicted.set(movie_id, predicted_stars);
        learn(movie_id, own_stars);
      }
    } catch (error) {
      if (isAbort(error)) throw error; // otherwise the movies are shown without predictions
    }
  }

  #take({ movies, next_cursor }) {
    this.#movies = movies;
    this.#cursor = next_cursor;
    this.#more.hidden = !next_cursor;
    this.#draw();
  }

  #draw() {
    by("watchlist-count").textContent = this.#cursor || !this.#movies.length ? "" : plural(this.#movies.length, "movie");
    this.list.show(
      this.#movies.map((movie) => ({
        movie,
        own: this.session.starsOf(movie.movie_id),
        predicted: this.#predicted.get(movie.movie_id) ?? null,
      })),
    );
  }

  /** The button that brought these may be gone. */
  #goOnWith(added) {
    if (added.length) this.list.row(added[0].movie_id).rating.focus();
    else if (!this.#cursor) goToEnd(this.#panel);
    announce(`${plural(added.length, "more movie")}.`);
  }

  #sayIfEmpty() {
    if (!this.#movies.length) say(this.#panel, "Nothing here yet.", "Put movies on it from your list or from the search.");
  }
}
