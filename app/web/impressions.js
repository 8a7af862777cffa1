// Tells the service which movies of a list came into sight, and which were opened, so that lists can be measured.

import { api, serviceTime } from "./api.js";
import { ownId } from "./ids.js";

const SECONDS = 1;

export class Impressions {
  #session;
  #element;
  #entries = new Map(); // by movie id
  #told = new Set();
  #waiting = [];
  #timer = null;
  #observer = new IntersectionObserver((seen) => this.#see(seen), { threshold: 0.5 });

  /** `element` is a list of movie rows. */
  constructor(session, element) {
    this.#session = session;
    this.#element = element;
    session.addEventListener("user", () => this.#forget());
    element.addEventListener("click", ({ target }) => {
      const entry = target.closest("a.title-text") && this.#entryOf(target.closest(".movie"));
      if (entry) this.#send([this.#event(entry, "click")]);
    });
  }

  /** The rows now show these entries {movie_id, recommendation_id, position}. */
  watch(entries) {
    this.#entries = new Map(entries.map((entry) => [entry.movie_id, entry]));
    this.#observer.disconnect();
    for (const row of this.#element.children) this.#observer.observe(row);
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#waiting = [];
    this.#told.clear();
    this.#entries.clear();
    this.#observer.disconnect();
  }

  #entryOf(row) {
    return this.#entries.get(ownId(row.dataset.movie));
  }

  #see(seen) {
    for (const { isIntersecting, target } of seen) {
      const entry = isIntersecting && this.#entryOf(target);
      const key = entry && `${entry.recommendation_id} ${entry.movie_id}`;
      if (!entry || this.#told.has(key)) continue;
      this.#told.add(key);
      this.#waiting.push(this.#event(entry, "impression"));
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(this.#waiting.splice(0)), 1000 * SECONDS);
  }

  #event({ movie_id, recommendation_id, position }, kind) {
    return {
      user_id: this.#session.id, movie_id, kind, recommendation_id,
      position: kind === "impression" ? position : null,
      occurred_at: serviceTime(),
    }; // prettier-ignore
  }

  /** Nobody waits for it, and nothing is lost for the user where it fails. */
  #send(events) {
    if (events.length && this.#session.id) api.events(events).catch(() => {});
  }
}
