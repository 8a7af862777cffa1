// The panel of movies like one that was clicked.

import { api, isAbort, Latest } from "../api.js";
import { by, closable, say } from "../elements/dom.js";
import { MovieList, plainTitle } from "../elements/movies.js";

const HOW_MANY = 12;

export class Similar {
  #dialog = by("similar");
  #latest = new Latest();
  #similar = [];
  #predicted = new Map();

  constructor(session, actions) {
    this.session = session;
    this.list = new MovieList(by("similar-movies"), actions);
    closable(this.#dialog);
    this.#dialog.addEventListener("close", () => this.#latest.abort());
  }

  async open(movie) {
    const dialog = this.#dialog;
    by("similar-title").textContent = plainTitle(movie);
    by("similar-genres").textContent = [movie.year, ...movie.genres].filter(Boolean).join(" · ");
    say(dialog, "");
    this.#similar = [];
    this.list.clear();
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    by("similar-title").focus();
    dialog.classList.add("busy");
    const signal = this.#latest.signal();
    try {
      this.#similar = (await api.similar(movie.movie_id, HOW_MANY, signal)).similar;
      await this.#predict(signal);
      this.#draw();
      if (!this.#similar.length) say(dialog, "Nothing is like it.", "The model knows no similar movie.");
    } catch (error) {
      if (isAbort(error)) return;
      say(dialog, "That did not work.", error.message, { label: "Try again", run: () => this.open(movie) });
    }
    dialog.classList.remove("busy");
  }

  /** Draw again, with the ratings as they are now. */
  refresh() {
    if (this.#dialog.open) this.#draw();
  }

  async #predict(signal) {
    if (!this.session.id || !this.#similar.length) return;
    try {
      const movies = this.#similar.map((movie) => movie.movie_id);
      for (const one of (await api.predict(this.session.id, movies, signal)).predictions) {
        this.#predicted.set(one.movie_id, one.predicted_stars);
        if (one.own_stars !== null) this.session.learn(one.movie_id, one.own_stars);
      }
    } catch (error) {
      if (isAbort(error)) throw error;
    }
  }

  #draw() {
    this.list.show(
      this.#similar.map((movie) => ({
        movie,
        own: this.session.starsOf(movie.movie_id),
        predicted: this.#predicted.get(movie.movie_id) ?? null,
        likely: { share: Math.max(0, movie.similarity), of: 1, text: `similarity ${movie.similarity.toFixed(2)}` },
      })),
    );
  }
}
