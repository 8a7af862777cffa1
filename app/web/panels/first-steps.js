// A newcomer's first ratings: of well-known movies, those that tell the model most.

import { api } from "../api.js";
import { by, say } from "../elements/dom.js";
import { MovieList } from "../elements/movies.js";

const AT_ONCE = 12;
const MOST = 60;
const ENOUGH = 5;

export class FirstSteps {
  #panel = by("first-steps");
  #left = [];
  #shown = [];
  #over = false;

  /** `done` is run when the user has had enough of it. */
  constructor(session, actions, done) {
    this.session = session;
    const act = { word: "Not seen", label: (movie) => `Not seen: ${movie.display_title}`, run: (movie) => this.#skip(movie) };
    this.list = new MovieList(by("first-movies"), { ...actions, act });
    this.#panel.querySelector("[data-others]").addEventListener("click", () => this.#others());
    this.#panel.querySelector("[data-done]").addEventListener("click", () => {
      this.hide();
      done();
    });
    session.addEventListener("profile", () => this.refresh());
  }

  /** For a user who has few ratings; nothing for others. */
  async open() {
    this.#over = this.session.user.ratings >= ENOUGH;
    this.#panel.hidden = this.#over;
    if (this.#over) return;
    this.#shown = [];
    this.list.clear();
    this.#count();
    try {
      this.#left = (await api.firstMovies(MOST)).movies;
      this.#others();
    } catch (error) {
      say(this.#panel, "The movies are missing.", error.message, { label: "Try again", run: () => this.open() });
    }
  }

  focus() {
    by("first-title").focus({ preventScroll: true });
  }

  hide() {
    this.#over = true;
    this.#panel.hidden = true;
  }

  refresh() {
    if (this.#over) return;
    this.#draw();
    this.#count();
  }

  #others() {
    this.#shown = this.#next(AT_ONCE);
    this.#draw();
  }

  #skip(movie) {
    this.#shown = this.#shown.flatMap((one) => (one.movie_id === movie.movie_id ? this.#next(1) : [one]));
    this.#draw();
  }

  /** The next movies that are not rated. */
  #next(count) {
    this.#left = this.#left.filter((movie) => this.session.starsOf(movie.movie_id) === null);
    return this.#left.splice(0, count);
  }

  #draw() {
    this.list.show(this.#shown.map((movie) => ({ movie, own: this.session.starsOf(movie.movie_id) })));
    this.#panel.querySelector("[data-others]").disabled = !this.#left.length;
    say(this.#panel, this.#shown.length ? "" : "That is all.", "The search finds every other movie.");
  }

  #count() {
    const given = this.session.user?.ratings ?? 0;
    const enough = given >= ENOUGH;
    by("first-count").textContent = enough ? "That is enough for a list of your own; more make it better." : `${given} of ${ENOUGH}`;
    const done = this.#panel.querySelector("[data-done]");
    done.textContent = enough ? "See your list" : "Later";
    done.classList.toggle("primary", enough);
    done.classList.toggle("quiet", !enough);
  }
}
