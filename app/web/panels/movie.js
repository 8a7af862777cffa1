// One movie: what the user would give it and why, and movies like it.

import { api, isAbort, Latest } from "../api.js";
import { announce, by, fromTemplate, node, say } from "../elements/dom.js";
import { because, drawTile, MovieList, percent, showDismissed, showListed } from "../elements/movies.js";
import { Rating, spoken } from "../elements/stars.js";
import { ratingsOf, words } from "../elements/words.js";

const SIMILAR = 12;

export class MovieView {
  #view = by("movie");
  #latest = new Latest();
  #counting = new Latest();
  #movie = null;
  #rating = null;
  #predictions = new Map();
  #similar = [];
  #isRatingKnown = false;

  constructor(session, actions) {
    this.session = session;
    this.actions = actions;
    this.list = new MovieList(by("similar-movies"), actions);
    by("movie-listed").addEventListener("click", () => actions.marks.list(this.#movie));
    by("movie-dismissed").addEventListener("click", () => actions.marks.dismiss(this.#movie));
  }

  /** What is on its way is of the user before. */
  reset() {
    this.#latest.abort();
    this.#counting.abort();
  }

  /** Show the movie of this id; returns it, or null if it is not there, or another one or another user came meanwhile. */
  async open(movieId) {
    const signal = this.#latest.signal();
    this.#clear();
    try {
      this.#movie = await api.movie(movieId, signal);
      this.#describe();
      announce(this.#movie.display_title);
      await Promise.all([this.#explain(signal), this.#findSimilar(signal)]);
    } catch (error) {
      if (isAbort(error)) return null;
      this.#sayWhyNot(error, () => this.open(movieId));
    }
    this.#view.classList.remove("busy");
    return this.#movie;
  }

  /** Without a movie the heading says so, and the parts for one are not there. */
  #sayWhyNot(error, again) {
    const retry = error.status === 404 ? null : { label: "Try again", run: again };
    if (this.#movie) {
      say(this.#view, "Not all of this movie can be shown.", error.message, retry);
      return;
    }
    by("movie-title").textContent = "This movie cannot be shown.";
    this.#hideParts(true);
    say(this.#view, error.message, "", retry);
  }

  #hideParts(isHidden) {
    for (const part of ["[data-share]", ".movie-head .tile", ".movie-parts"]) this.#view.querySelector(part).hidden = isHidden;
  }

  /** Draw again, with the ratings as they are now. */
  refresh() {
    if (this.#view.hidden || !this.#movie) return;
    this.#drawStats();
    this.#drawRating();
    this.#drawMarks();
    this.#drawSimilar();
  }

  /** Read the figures of the movie anew, if it is this one that is shown: a rating of it was written. */
  async countAnew({ movie_id }) {
    if (this.#view.hidden || movie_id !== this.#movie?.movie_id) return;
    const movie = await api.movie(movie_id, this.#counting.signal()).catch(() => null);
    if (!movie || movie_id !== this.#movie?.movie_id) return;
    this.#movie = movie;
    this.#drawStats();
  }

  #drawStats() {
    const { ratings, mean_stars } = this.#movie;
    const mean = mean_stars === null ? "" : `${mean_stars.toFixed(1)} stars on average, `;
    by("movie-stats").textContent = ratings ? `${mean}${ratingsOf(ratings)}` : `Not ${words().rated} yet`;
  }

  #drawMarks() {
    by("movie-marks").hidden = !this.session.id;
    const isListed = this.actions.marks.isListed(this.#movie);
    showListed(by("movie-listed"), this.#movie, isListed);
    by("movie-listed").querySelector("span").textContent = isListed ? "On the watch list" : "Watch list";
    showDismissed(by("movie-dismissed"), this.#movie, this.actions.marks.isDismissed(this.#movie));
  }

  #clear() {
    this.#view.classList.add("busy");
    say(this.#view, "");
    this.#movie = null;
    this.#predictions.clear();
    this.#similar = [];
    this.#isRatingKnown = false;
    this.#hideParts(false);
    this.list.clear();
    by("expected").hidden = true;
    for (const part of ["movie-title", "movie-facts", "movie-stats", "movie-links"]) by(part).textContent = "";
    by("movie-rating").replaceChildren();
    by("movie-marks").hidden = true;
  }

  #describe() {
    const { display_title, year, genres } = this.#movie;
    by("movie-title").textContent = display_title;
    by("movie-facts").textContent = [year, ...genres].filter(Boolean).join(" · ");
    this.#drawStats();
    by("movie-links").replaceChildren(...linksOf(this.#movie));
    drawTile(this.#view.querySelector(".movie-head .tile"), this.#movie);
    if (!this.session.id) return;
    this.#rating = new Rating(display_title, (stars) => this.actions.give(this.#movie, stars));
    by("movie-rating").replaceChildren(this.#rating.element);
    this.#drawMarks();
  }

  async #explain(signal) {
    if (!this.session.id) return;
    const id = this.#movie.movie_id;
    await this.#predict([id], signal);
    this.#isRatingKnown = true;
    const { recommendations } = await api.rank(this.session.id, id, signal);
    const prediction = this.#predictions.get(id);
    const reasons = recommendations[0].reasons;
    this.#drawRating();
    by("expected").hidden = !prediction && !reasons?.length;
    by("expected-text").textContent = prediction ? expected(prediction.predicted_stars, recommendations[0].like_probability) : "";
    by("distribution").replaceChildren(...levels(prediction?.probabilities ?? {}));
    by("reasons").replaceChildren(...(reasons?.length ? because(reasons) : []));
  }

  async #findSimilar(signal) {
    this.#similar = (await api.similar(this.#movie.movie_id, SIMILAR, signal)).similar;
    if (this.session.id && this.#similar.length) await this.#predict(this.#similar.map((movie) => movie.movie_id), signal);
    this.#drawSimilar();
  }

  async #predict(movieIds, signal) {
    const learn = this.session.reader();
    for (const one of (await api.predict(this.session.id, movieIds, signal)).predictions) {
      this.#predictions.set(one.movie_id, one);
      learn(one.movie_id, one.own_stars);
    }
  }

  #drawRating() {
    const id = this.#movie.movie_id;
    const own = this.session.starsOf(id);
    const predicted = this.#predictions.get(id)?.predicted_stars ?? null;
    this.#rating?.update(own, predicted, own !== null || this.#isRatingKnown);
  }

  #drawSimilar() {
    this.list.show(
      this.#similar.map((movie) => ({
        movie,
        own: this.session.starsOf(movie.movie_id),
        predicted: this.#predictions.get(movie.movie_id)?.predicted_stars ?? null,
        likely: { share: Math.max(0, movie.similarity), text: movie.similarity.toFixed(2), hint: "alike" },
      })),
    );
  }
}

/** Its pages on other sites, as far as it is known there. */
function linksOf({ imdb_id, tmdb_id }) {
  const pages = { IMDb: imdb_id && `https://www.imdb.com/title/${imdb_id}/`, TMDB: tmdb_id && `https://www.themoviedb.org/movie/${tmdb_id}` };
  return Object.entries(pages).filter(([, page]) => page).map(([site, page]) => {
    const link = node("a", "", site);
    Object.assign(link, { href: page, target: "_blank", rel: "noopener noreferrer" });
    return link;
  });
}

function expected(stars, likely) {
  const chance = likely === null ? "" : `, with a chance of ${percent(likely)} for 4 or 5`;
  return `About ${spoken(Number(stars.toFixed(1)))}${chance}.`;
}

/** A bar for each number of stars, the highest first. */
function levels(probabilities) {
  const shares = Object.entries(probabilities).sort(([one], [other]) => other - one);
  return shares.map(([stars, share]) => {
    const row = fromTemplate("level-template");
    row.querySelector(".level-name").textContent = spoken(Number(stars));
    row.querySelector(".bar-fill").style.setProperty("--share", share);
    row.querySelector(".level-share").textContent = percent(share);
    return row;
  });
}
