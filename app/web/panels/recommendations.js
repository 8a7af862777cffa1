// The list of movies to see next, and its options.

import { api, isAbort, Latest } from "../api.js";
import { announce, by, debounced, fromTemplate, plural, say } from "../elements/dom.js";
import { hueOf, MovieList, percent, plainTitle, ratingsOf } from "../elements/movies.js";

const PAGE = 10;
const MOST = 100;

export class Recommendations {
  #panel = by("list");
  #form = by("options");
  #latest = new Latest();
  #entries = [];
  #chosenOrder = null;
  #answer = null;

  constructor(session, actions) {
    this.session = session;
    this.list = new MovieList(by("recommendations"), actions);
    this.#listen();
    by("filters").open = window.matchMedia("(min-width: 45rem)").matches;
  }

  showGenres(genres) {
    const chips = genres.map((genre) => {
      const chip = fromTemplate("chip-template");
      chip.querySelector("input").value = genre;
      chip.querySelector(".chip-text").textContent = genre;
      chip.style.setProperty("--hue", hueOf(genre));
      return chip;
    });
    by("genres").replaceChildren(...chips);
  }

  reset() {
    this.#answer = null;
    this.#entries = [];
    this.list.clear();
    by("list-basis").textContent = "";
    by("legend").hidden = true;
    this.#panel.querySelector("[data-more]").hidden = true;
  }

  /** Ask for the list anew, as long as it was. */
  async load({ message = null } = {}) {
    const answer = await this.#ask({ n: Math.min(MOST, Math.max(PAGE, this.#entries.length)), offset: 0 });
    if (!answer) return;
    const animate = this.#entries.length > 0;
    this.#entries = answer.recommendations;
    this.#answer = answer;
    this.#draw(animate);
    if (message) announce(`${message} The list is up to date${this.#first()}.`);
  }

  /** Draw again, with the ratings as they are now. */
  refresh() {
    if (this.#answer) this.#draw(false);
  }

  async #more() {
    const offset = this.#entries.length;
    const answer = await this.#ask({ n: PAGE, offset });
    if (!answer) return;
    const known = new Set(this.#entries.map((entry) => entry.movie_id));
    const added = answer.recommendations.filter((entry) => !known.has(entry.movie_id));
    this.#entries = [...this.#entries, ...added];
    this.#answer = answer;
    this.#draw(false);
    if (added.length) this.list.row(added[0].movie_id).rating.focus();
    announce(`${plural(added.length, "more movie")}.`);
  }

  /** The answer for the options as they are; null if a later request overtook this one, or it failed. */
  async #ask({ n, offset }) {
    const options = this.#options();
    if (!options) return null;
    this.#panel.classList.add("busy");
    const signal = this.#latest.signal();
    try {
      const query = { limit: n, offset, explain: true, ...options };
      const answer = await api.recommendations(this.session.id, query, signal);
      this.#panel.classList.remove("busy");
      this.#panel.querySelector("[data-more]").hidden = answer.recommendations.length < n;
      return answer;
    } catch (error) {
      if (isAbort(error)) return null;
      this.#panel.classList.remove("busy");
      this.reset();
      say(this.#panel, "There is no list just now.", error.message, { label: "Try again", run: () => this.load() });
      return null;
    }
  }

  /** What is asked of the list; null, and said, where the years contradict each other. */
  #options() {
    const form = new FormData(this.#form);
    const year = (name) => (/^\d{4}$/.test(form.get(name)) ? Number(form.get(name)) : null);
    const options = {
      genre: form.getAll("genre"),
      year_from: year("year_from"),
      year_to: year("year_to"),
      rank_by: this.#chosenOrder,
      diversity: form.get("diversity"),
    };
    const set = options.genre.length + (options.year_from ? 1 : 0) + (options.year_to ? 1 : 0);
    by("filter-count").textContent = set;
    by("filter-count").hidden = !set;
    by("clear-filters").hidden = !set;
    if (!options.year_from || !options.year_to || options.year_from <= options.year_to) return options;
    this.#latest.abort();
    this.reset();
    say(this.#panel, "No year is in between.", `${options.year_from} comes after ${options.year_to}.`);
    return null;
  }

  #draw(animate) {
    const order = this.#answer.rank_by;
    const most = Math.max(...this.#entries.map((entry) => entry.relevance ?? 0));
    this.list.show(
      this.#entries.map((entry) => this.#row(entry, most)),
      { animate },
    );
    this.#sayBasis();
    by("legend").hidden = !this.#entries.length;
    by("legend").classList.toggle("no-likely", most === 0);
    for (const radio of this.#form.rank_by) radio.checked = radio.value === order;
    this.#sayIfEmpty();
  }

  #sayBasis() {
    if (this.#answer) by("list-basis").textContent = basis(this.#answer, this.session.user);
  }

  #row(entry, most) {
    return {
      movie: entry,
      own: this.session.starsOf(entry.movie_id),
      predicted: entry.predicted_stars,
      reasons: entry.reasons,
      badge: entry.source === "popular" ? { text: "popular", title: "Here because many like it, not from your ratings" } : null,
      likely: entry.relevance === null ? null : { share: entry.relevance, of: most, text: percent(entry.relevance), hint: "likely" },
    };
  }

  #sayIfEmpty() {
    if (this.#entries.length) say(this.#panel, "");
    else if (by("clear-filters").hidden) say(this.#panel, "Nothing left to recommend.", "Every movie here is rated.");
    else {
      const clear = { label: "Clear filters", run: () => this.#clear() };
      say(this.#panel, "No movie fits these filters.", "Take a genre or a year out.", clear);
    }
  }

  #first() {
    return this.#entries.length ? `; first comes ${plainTitle(this.#entries[0])}` : "";
  }

  #clear() {
    for (const box of this.#form.querySelectorAll("[name=genre]")) box.checked = false;
    this.#form.year_from.value = "";
    this.#form.year_to.value = "";
    this.#anew("Filters cleared.");
  }

  /** Start over from the first page: other options make another list. */
  #anew(message) {
    this.#entries = this.#entries.slice(0, PAGE);
    this.load({ message });
  }

  #listen() {
    const soon = debounced(() => this.#anew("Changed."), 250);
    this.session.addEventListener("profile", () => this.#sayBasis());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", (event) => {
      if (event.target.name === "rank_by") this.#chosenOrder = event.target.value;
      if (event.target.name === "rank_by" || event.target.name === "genre") this.#anew("Changed.");
    });
    this.#form.addEventListener("input", (event) => {
      if (event.target.name === "diversity") showDiversity(event.target);
      if (event.target.name === "diversity" || event.target.name.startsWith("year")) soon();
    });
    by("clear-filters").addEventListener("click", () => this.#clear());
    this.#panel.querySelector("[data-more]").addEventListener("click", () => this.#more());
  }
}

function showDiversity(slider) {
  by("diversity-value").textContent = `${Math.round(slider.value * 100)}%`;
  slider.style.setProperty("--at", slider.value);
}

/** One sentence on where the list comes from. */
function basis({ based_on, rank_by }, user) {
  if (based_on === "history") return `From your ${ratingsOf(user.ratings)}.`;
  if (based_on === "profile") return "From your profile alone. Rate a movie, and the list becomes yours.";
  const kind = rank_by === "popularity" ? "Highest rated by all users" : "Predicted for an average user";
  return `${kind}, since nothing is known of you yet. Rate a movie, and the list becomes yours.`;
}
