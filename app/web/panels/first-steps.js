// A newcomer's first ratings: of well-known movies, those that tell the model most.

import { api } from "../api.js";
import { by, say } from "../elements/dom.js";
import { MovieList } from "../elements/movies.js";
import { recall, remember } from "../storage.js";

const AT_ONCE = 12;
const MOST = 60;
const ENOUGH = 5;

export class FirstSteps {
  #panel = by("first-steps");
  #left = [];
  #shown = [];
  #over = false;
  #loaded = false;

  /** `done` is run when the user has had enough of it. */
  constructor(session, actions, done) {
    this.session = session;
    const act = {
      word: "Not seen",
      label: ({ display_title }) => `Not seen: ${display_title}`,
      isFor: ({ movie_id }) => this.session.starsOf(movie_id) === null,
      run: (movie) => this.#skip(movie),
    };
    this.list = new MovieList(by("first-movies"), { ...actions, act });
    this.#panel.querySelector("[data-others]").addEventListener("click", () => this.#others());
    this.#panel.querySelector("[data-done]").addEventListener("click", () => {
      remember("sessionStorage", "later", String(this.session.id));
      this.hide();
      done();
    });
    session.addEventListener("profile", () => this.refresh());
  }

  /** For a user who has few ratings and has not put it off; nothing for others. */
  async open() {
    const isPutOff = recall("sessionStorage", "later") === String(this.session.id);
    this.#over = isPutOff || this.session.user.ratings >= ENOUGH;
    this.#panel.hidden = this.#over;
    if (this.#over) return;
    this.#shown = [];
    this.#loaded = false;
    this.list.clear();
    say(this.#panel, "");
    this.#count();
    try {
      this.#left = (await api.firstMovies(MOST)).movies;
      this.#loaded = true;
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
    if (this.#loaded) this.#draw();
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
    say(this.#panel, this.#shown.length ? "" : "That is all.", "The search finds every other movie.");
    this.list.show(this.#shown.map((movie) => ({ movie, own: this.session.starsOf(movie.movie_id) })));
    const others = this.#panel.querySelector("[data-others]");
    if (!this.#left.length && others === document.activeElement) this.focus(); // which it would take along
    others.disabled = !this.#left.length;
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
