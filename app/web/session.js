// The user that the page is about, and the ratings that are known of them.

import { api, Latest, LIKED } from "./api.js";
import { recall, remember } from "./storage.js";

const MOST = 1000; // that the service lists at once
const NO_RATING = { stars: null, ratedAt: null };

/**
 * Events: "user" when another user is opened or none, "change" when a rating was written (detail: movie, stars or null,
 * ratedAt), "mark" when a movie was marked (detail: movie, kind, removed), "watchlist" when a part of the watch list is known,
 * "profile" when the number of ratings is known anew, "import" when many ratings were written.
 */
export class Session extends EventTarget {
  user = null;
  #rated = new Map(); // what the service has, as far as it is known: {stars, ratedAt, isWritten} by movie id; null in both for none, isWritten where it was written here
  #unsaved = new Map(); // of each movie what is on its way there, the latest
  #saves = new Map(); // of each movie the number of its latest write, in the order in which they were answered
  #saved = 0;
  #listed = new Set();
  #dismissed = new Set(); // since the user was opened
  #writing = Promise.resolve();
  #counting = new Latest();

  get id() {
    return this.user?.user_id;
  }

  /** What the user is called: the id in another system where there is one, else the service's own. */
  get name() {
    return this.user.external_id ?? this.id;
  }

  /** Whether this is one of the user's ids. */
  has(id) {
    return id === this.id || (this.user !== null && id === this.user.external_id);
  }

  get remembered() {
    return recall("localStorage", "user");
  }

  /** The user's own stars for a movie, as far as they are known here; null without. */
  starsOf(movieId) {
    return this.ratingOf(movieId).stars;
  }

  /** The user's own rating of a movie, {stars, ratedAt}, each null where it is not known here. */
  ratingOf(movieId) {
    return this.#unsaved.get(movieId) ?? this.#savedOf(movieId);
  }

  #savedOf(movieId) {
    return this.#rated.get(movieId) ?? NO_RATING;
  }

  /** Keep what a movie has in the service, null for no rating; without a time, the one that is known of the same stars stays. */
  learn(movieId, stars, ratedAt = null) {
    const before = this.#savedOf(movieId);
    this.#rated.set(movieId, { stars, ratedAt: ratedAt ?? (stars === before.stars ? before.ratedAt : null) });
  }

  /** To call before something is read: what it returns learns what was read, unless a write was answered meanwhile. */
  reader() {
    const saved = this.#saved;
    return (movieId, stars) => {
      if ((this.#saves.get(movieId) ?? 0) <= saved) this.learn(movieId, stars);
    };
  }

  #save(movieId, stars, ratedAt) {
    this.#saves.set(movieId, ++this.#saved);
    this.learn(movieId, stars, ratedAt);
    this.#rated.get(movieId).isWritten = true;
  }

  /** Whether the movie is on the user's watch list, as far as that is known here. */
  isOnWatchlist(movieId) {
    return this.#listed.has(movieId);
  }

  /** Whether the user has said since being opened that the movie is of no interest. */
  isDismissed(movieId) {
    return this.#dismissed.has(movieId);
  }

  learnListed(movies) {
    for (const { movie_id } of movies) this.#listed.add(movie_id);
  }

  /** Say something of a movie beside stars, or take it back; it goes out after the writes before it. */
  mark(movie, kind, { removed = false } = {}) {
    const id = this.id;
    const { movie_id, recommendation_id = null } = movie;
    const written = this.#writing.then(async () => {
      await api.events([{ user_id: id, movie_id, kind, removed, recommendation_id }]);
      if (id !== this.id) return;
      const marked = { watchlist: this.#listed, dislike: this.#dismissed }[kind];
      marked?.[removed ? "delete" : "add"](movie_id);
      this.dispatchEvent(new CustomEvent("mark", { detail: { movie, kind, removed } }));
    });
    this.#writing = written.catch(() => {});
    return written;
  }

  async open(id, signal) {
    this.#become(await api.user(id, signal));
  }

  async signUp(signal) {
    this.#become(await api.addUser({}, signal));
  }

  async changeProfile(profile) {
    const id = this.id;
    const user = await api.changeUser(id, profile);
    if (id !== this.id) return;
    this.user = user;
    this.dispatchEvent(new Event("profile"));
  }

  /** Sign out; the user stays in the service. */
  close() {
    this.#become(null);
  }

  /** Delete the user with all ratings. */
  async remove() {
    const id = this.id;
    await api.removeUser(id);
    if (id === this.id) this.close();
  }

  forget() {
    remember("localStorage", "user", null);
  }

  /** Write what was rated elsewhere, all or none: ratings {movie_id, stars, rated_at}, which may be without a time. */
  async bring(ratings) {
    const id = this.id;
    await api.rateAll(ratings.map((rating) => ({ user_id: id, ...rating })));
    if (id !== this.id) return;
    for (const { movie_id, stars, rated_at } of ratings) this.#save(movie_id, stars, rated_at);
    await this.countAnew();
    if (id === this.id) this.dispatchEvent(new Event("import"));
  }

  /**
   * Write a rating, of now or of `ratedAt`, or delete it where stars is null; returns the one that it replaced. Writes go
   * out one after the other.
   */
  write(movie, stars, ratedAt = null) {
    const id = this.id;
    const rating = { stars, ratedAt };
    this.#unsaved.set(movie.movie_id, rating);
    const written = this.#writing.then(() => this.#send(id, movie, rating));
    this.#writing = written.catch(() => {});
    return written;
  }

  async #send(id, movie, rating) {
    const { movie_id } = movie;
    const { stars, ratedAt } = rating;
    let before = this.#rated.get(movie_id);
    let answer;
    try {
      // That a list has a movie is old news where another tab has rated it since: Undo would delete that rating.
      const isKnown = before && (before.stars === null ? before.isWritten : before.ratedAt !== null);
      if (!isKnown) before = await ratingIn(id, movie_id);
      answer = stars === null ? await api.unrate(id, movie_id) : await api.rate(id, movie_id, stars, ratedAt);
    } finally {
      if (this.#unsaved.get(movie_id) === rating) this.#unsaved.delete(movie_id); // else a later one is on its way
    }
    if (id === this.id) {
      this.#save(movie_id, stars, answer?.rated_at);
      this.dispatchEvent(new CustomEvent("change", { detail: { movie, stars, ratedAt: answer?.rated_at } }));
      this.countAnew();
    }
    return before;
  }

  /** Read anew how many ratings the user has. */
  async countAnew() {
    const id = this.id;
    const user = await api.user(id, this.#counting.signal()).catch(() => null);
    if (!user || id !== this.id) return;
    this.user = user;
    this.dispatchEvent(new Event("profile"));
  }

  #become(user) {
    this.user = user;
    this.#rated.clear();
    this.#unsaved.clear();
    this.#saves.clear();
    this.#listed.clear();
    this.#dismissed.clear();
    this.#writing = Promise.resolve(); // what the user before has written goes out beside this one's
    remember("localStorage", "user", user && String(user.user_id));
    this.dispatchEvent(new Event("user"));
    if (user) this.#readWatchlist(user.user_id);
  }

  async #readWatchlist(id) {
    let cursor = null;
    do {
      const page = await api.watchlist(id, { cursor, limit: MOST }).catch(() => null); // its movies are not shown as listed then
      if (!page || id !== this.id) return;
      this.learnListed(page.movies);
      this.dispatchEvent(new Event("watchlist"));
      cursor = page.next_cursor;
    } while (cursor);
  }
}

/** A user's rating of a movie, read from the service. */
async function ratingIn(id, movie) {
  const [rating] = (await api.ratings(id, { movie })).ratings;
  return rating ? { stars: rating.stars ?? LIKED, ratedAt: rating.rated_at } : NO_RATING;
}
