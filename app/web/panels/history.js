// What the user rated, newest first.

import { api, isAbort, Latest, LIKED, serviceTime } from "../api.js";
import { by, goToEnd, plural, say } from "../elements/dom.js";
import { MovieList } from "../elements/movies.js";
import { ratingsOf, words } from "../elements/words.js";

const PAGE = 10;
const MOST = 1000; // that the service lists at once

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "short" });

export class History {
  #panel = by("history");
  #latest = new Latest();
  #renewing = new Latest();
  #ratings = [];
  #cursor = null;
  #writes = 0;
  #loaded = false;

  constructor(session, actions) {
    this.session = session;
    this.list = new MovieList(by("ratings"), actions);
    this.#more.addEventListener("click", () => this.load({ more: true }));
    session.addEventListener("profile", () => this.#count());
  }

  get #more() {
    return this.#panel.querySelector("[data-more]");
  }

  reset() {
    this.#latest.abort();
    this.#renewing.abort();
    this.#ratings = [];
    this.#cursor = null;
    this.#loaded = false;
    this.list.clear();
    this.#more.hidden = true;
    this.#count();
  }

  /** The ratings will come. */
  waiting() {
    say(this.#panel, "");
    this.#panel.classList.add("busy");
  }

  async load({ more = false } = {}) {
    this.waiting();
    const writes = this.#writes;
    try {
      const cursor = more ? this.#cursor : null;
      const page = await api.ratings(this.session.id, { cursor, limit: PAGE, signal: this.#latest.signal() });
      if (writes !== this.#writes) return this.load({ more }); // the page may be older than what was written meanwhile
      this.#take(page, more);
    } catch (error) {
      if (isAbort(error)) return;
      say(this.#panel, `The ${words().rating}s are missing.`, error.message, { label: "Try again", run: () => this.load({ more }) });
    }
    this.#panel.classList.remove("busy");
  }

  /** Read what is shown again, which another tab may have changed; returns whether it has. */
  async renew() {
    if (!this.#loaded || this.#panel.classList.contains("busy")) return false;
    const [before, writes] = [this.#ratings, this.#writes];
    const limit = Math.min(MOST, Math.max(PAGE, before.length));
    const page = await api.ratings(this.session.id, { limit, signal: this.#renewing.signal() }).catch(() => null);
    const isOvertaken = before !== this.#ratings || writes !== this.#writes;
    if (!page || isOvertaken || isSame(page, before, this.#cursor)) return false;
    const oldest = page.next_cursor ? page.ratings.at(-1).rated_at : -Infinity; // newer ratings push older ones off the page
    for (const { movie_id, rated_at } of before) {
      if (rated_at > oldest) this.session.learn(movie_id, null); // as far as the page does not say otherwise
    }
    this.#take(page, false);
    return true;
  }

  /** What a write came to, without asking again where the ratings are here. */
  apply({ movie, stars, ratedAt }) {
    this.#writes += 1;
    if (!this.#loaded) {
      this.load();
      return;
    }
    const others = this.#ratings.filter((rating) => rating.movie_id !== movie.movie_id);
    const { movie_id, display_title, year, genres, imdb_id, tmdb_id } = movie;
    const oldest = others.at(-1)?.rated_at ?? 0;
    const isLater = this.#cursor && ratedAt < oldest; // it will come with the pages that are not here yet
    const added = stars === null || isLater ? [] : [{ movie_id, display_title, year, genres, imdb_id, tmdb_id, stars, rated_at: ratedAt }];
    this.#ratings = [...added, ...others].sort((one, other) => other.rated_at - one.rated_at);
    this.#draw(true);
  }

  /** Draw again, with the ratings as they are now. */
  refresh() {
    if (this.#loaded) this.#draw(false);
  }

  #take(page, more) {
    for (const rating of page.ratings) this.session.learn(rating.movie_id, rating.stars ?? LIKED, rating.rated_at);
    const known = new Set(more ? this.#ratings.map((rating) => rating.movie_id) : []);
    const added = page.ratings.filter((rating) => !known.has(rating.movie_id));
    this.#ratings = more ? [...this.#ratings, ...added] : added;
    this.#cursor = page.next_cursor;
    this.#loaded = true;
    this.#draw(false);
    if (!more) return;
    if (added.length) this.list.row(added[0].movie_id).rating.focus();
    else if (!this.#cursor) goToEnd(this.#panel);
  }

  #draw(animate) {
    if (this.#ratings.length) say(this.#panel, "");
    else say(this.#panel, words().noneYet, words().howTo);
    this.list.show(
      this.#ratings.map((rating) => ({
        movie: rating,
        own: this.session.starsOf(rating.movie_id) ?? rating.stars ?? LIKED,
        when: { text: whenOf(rating.rated_at), title: MOMENT.format(rating.rated_at * 1000) },
      })),
      { animate },
    );
    this.#more.hidden = !this.#cursor;
  }

  #count() {
    by("history-count").textContent = this.session.user?.ratings ? ratingsOf(this.session.user.ratings) : "";
  }
}

/** Whether a page of ratings has these, and as many come after it. */
function isSame(page, ratings, cursor) {
  const told = ({ movie_id, stars, rated_at }) => [movie_id, stars ?? LIKED, rated_at].join();
  const known = new Set(ratings.map(told));
  const isAll = page.ratings.length === ratings.length && page.ratings.every((rating) => known.has(told(rating)));
  return isAll && Boolean(page.next_cursor) === Boolean(cursor);
}

/** A time as people say it: by minutes within the hour, by the day before that. */
function whenOf(seconds) {
  const minutes = Math.trunc((serviceTime() - seconds) / 60); // the service may be some seconds further than is known
  if (minutes >= 0 && minutes < 1) return "just now";
  if (minutes > 0 && minutes < 60) return `${plural(minutes, "minute")} ago`;
  return DAY.format(seconds * 1000);
}
