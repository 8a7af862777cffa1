// The list of movies to see next, and its options.

import { api, isAbort, Latest } from "../api.js";
import { calm } from "../elements/calm.js";
import { announce, by, debounced, fromTemplate, goToEnd, plural, say } from "../elements/dom.js";
import { hueOf, MovieList, percent } from "../elements/movies.js";
import { toast } from "../elements/toast.js";
import { ratingsOf, words } from "../elements/words.js";
import { Impressions } from "../impressions.js";

const PAGE = 10;
const MOST = 100; // that the service lists at once

export class Recommendations {
  #panel = by("list");
  #form = by("options");
  #latest = new Latest();
  #entries = [];
  #options = {};
  #answer = null;
  #turn = 0;
  #moving = null; // the slider or field that was changed last, and the options that came of it
  #loading = Promise.resolve();

  /** `choose` is told the options that the user chooses, and whether they replace those before: a slider moves by many. */
  constructor(session, actions, choose) {
    this.session = session;
    this.choose = choose;
    this.list = new MovieList(by("recommendations"), actions);
    this.impressions = new Impressions(session, by("recommendations"));
    this.#listen();
  }

  showGenres(genres) {
    const chips = genres.map((genre) => {
      const chip = fromTemplate("chip-template");
      const box = chip.querySelector("input");
      box.value = genre;
      box.checked = this.#options.genre?.includes(genre) ?? false;
      chip.querySelector(".chip-text").textContent = genre;
      chip.style.setProperty("--hue", hueOf(genre));
      return chip;
    });
    by("genres").replaceChildren(...chips);
  }

  /** Take these options over, and show the list for them. */
  use(options, { message = null } = {}) {
    this.#options = options;
    this.#fillIn();
    this.#entries = this.#entries.slice(0, PAGE); // other options make another list
    return this.load({ message });
  }

  reset() {
    this.#latest.abort();
    this.#turn += 1;
    this.#answer = null;
    this.#entries = [];
    this.list.clear();
    by("list-basis").textContent = "";
    by("legend").hidden = true;
    this.#panel.querySelector("[data-more]").hidden = true;
    this.waiting();
  }

  /** A list will come. */
  waiting() {
    say(this.#panel, "");
    this.#panel.classList.add("busy");
  }

  /** Ask for the list anew, as long as it was. */
  load({ message = null } = {}) {
    this.#loading = this.#load(message);
    return this.#loading;
  }

  async #load(message) {
    const turn = ++this.#turn;
    const length = Math.max(PAGE, this.#entries.length);
    const answers = [];
    for (let offset = 0; offset < length; offset += MOST) {
      const answer = await this.#ask({ n: Math.min(MOST, length - offset), offset });
      if (!answer || turn !== this.#turn) return;
      answers.push(answer);
    }
    await calm(this.list.element);
    if (turn !== this.#turn) return;
    const animate = this.#entries.length > 0;
    this.#entries = answers.flatMap((answer) => answer.recommendations);
    this.#answer = answers.at(-1);
    this.#draw(animate);
    if (message) announce(`${message} The list is up to date${this.#first()}.`);
  }

  /** Draw again, with the ratings as they are now. */
  refresh() {
    if (this.#answer) this.#draw(false);
  }

  async #more() {
    await this.#loading; // else it would break off a list that comes, and go on below the one before
    if (!this.#answer) return;
    const offset = this.#entries.length;
    const answer = await this.#ask({ n: PAGE, offset });
    if (!answer) return;
    const known = new Set(this.#entries.map((entry) => entry.movie_id));
    const added = answer.recommendations.filter((entry) => !known.has(entry.movie_id));
    this.#entries = [...this.#entries, ...added];
    this.#answer = answer;
    this.#draw(false);
    if (added.length) this.list.row(added[0].movie_id).rating.focus();
    else if (this.#panel.querySelector("[data-more]").hidden) goToEnd(this.#panel);
    announce(`${plural(added.length, "more movie")}.`);
  }

  /** The answer for the options as they are; null if a later request overtook this one, or it failed. */
  async #ask({ n, offset }) {
    const { year_from, year_to } = this.#options;
    if (year_from && year_to && year_from > year_to) {
      this.#contradicted();
      return null;
    }
    this.#panel.classList.add("busy");
    const signal = this.#latest.signal();
    const learn = this.session.reader();
    try {
      const query = { limit: n, offset, explain: true, ...this.#options };
      const answer = await api.recommendations(this.session.id, query, signal);
      this.#panel.classList.remove("busy");
      this.#panel.querySelector("[data-more]").hidden = answer.recommendations.length < n;
      answer.recommendations.forEach((entry, at) => {
        Object.assign(entry, { recommendation_id: answer.recommendation_id, position: at + 1 });
        learn(entry.movie_id, null); // what is rated is not recommended
      });
      return answer;
    } catch (error) {
      if (isAbort(error)) return null;
      if (offset) toast(error.message, { error: true });
      else {
        this.reset();
        const again = { label: "Try again", run: () => this.load() };
        say(this.#panel, "There is no list just now.", error.message, error.status === 422 ? this.#clearing() : again);
      }
      this.#panel.classList.remove("busy");
      return null;
    }
  }

  #contradicted() {
    this.reset();
    this.#panel.classList.remove("busy");
    say(this.#panel, "No year is in between.", `${this.#options.year_from} comes after ${this.#options.year_to}.`);
  }

  #draw(animate) {
    this.list.show(
      this.#entries.map((entry) => this.#row(entry)),
      { animate },
    );
    this.impressions.watch(this.#entries);
    this.#sayBasis();
    by("legend").hidden = !this.#entries.length;
    by("legend").classList.toggle("no-likely", this.#entries.every((entry) => entry.like_probability === null));
    for (const radio of this.#form.rank_by) radio.checked = radio.value === this.#answer.rank_by;
    this.#sayIfEmpty();
  }

  #sayBasis() {
    if (this.#answer && this.session.user) by("list-basis").textContent = basis(this.#answer, this.session.user);
  }

  #row(entry) {
    const share = entry.like_probability;
    return {
      movie: entry,
      own: this.session.starsOf(entry.movie_id),
      predicted: entry.predicted_stars,
      reasons: entry.reasons,
      badge: entry.source === "popular" ? { text: "popular", title: `Here because many like it, not from your ${words().rating}s` } : null,
      likely: share === null ? null : { share, text: percent(share), hint: "chance that you give 4 or 5 stars" },
    };
  }

  #sayIfEmpty() {
    if (this.#entries.length) say(this.#panel, "");
    else if (by("clear-filters").hidden) say(this.#panel, "Nothing left to recommend.", words().allKnown);
    else say(this.#panel, "No movie fits these filters.", "Take a genre or a year out.", this.#clearing());
  }

  /** The way out of options that give no list: without filters, or where there are none, without options. */
  #clearing() {
    if (by("clear-filters").hidden) return { label: "Clear options", run: () => this.choose({ genre: [] }) };
    return { label: "Clear filters", run: () => this.#clear() };
  }

  #first() {
    return this.#entries.length ? `; first comes ${this.#entries[0].display_title}` : "";
  }

  #clear() {
    by("list-title").focus({ preventScroll: true }); // the button goes
    this.choose({ ...this.#options, genre: [], year_from: null, year_to: null });
  }

  /** The options in their controls. */
  #fillIn() {
    const { genre, year_from, year_to, diversity, rank_by } = this.#options;
    for (const box of this.#form.querySelectorAll("[name=genre]")) box.checked = genre.includes(box.value);
    for (const [field, year] of [[this.#form.year_from, year_from], [this.#form.year_to, year_to]]) {
      const isBeingTyped = document.activeElement === field && yearIn(field.value) === (year ?? null);
      if (!isBeingTyped) field.value = year ?? "";
    }
    this.#form.diversity.value = diversity ?? 0;
    showDiversity(this.#form.diversity);
    const filters = genre.length + (year_from ? 1 : 0) + (year_to ? 1 : 0);
    const changed = filters + (rank_by ? 1 : 0) + (diversity ? 1 : 0);
    by("filter-count").textContent = changed;
    by("filter-count").hidden = !changed;
    by("clear-filters").hidden = !filters;
  }

  /** The options as the controls have them; an order only where one was chosen. */
  #chosen(event) {
    const form = new FormData(this.#form);
    return {
      genre: form.getAll("genre"),
      rank_by: event.target.name === "rank_by" ? event.target.value : this.#options.rank_by,
      year_from: yearIn(form.get("year_from")),
      year_to: yearIn(form.get("year_to")),
      diversity: Number(form.get("diversity")) || null,
    };
  }

  #listen() {
    const choose = (event) => this.choose(this.#chosen(event));
    const move = (event) => {
      const { name } = event.target;
      const options = this.#chosen(event);
      const replace = this.#moving?.name === name && this.#moving.options === this.#options;
      this.#moving = { name, options };
      this.choose(options, { replace });
    };
    const soon = debounced((event, user) => {
      const isHere = user === this.session.id && document.body.dataset.view === "list";
      if (isHere) move(event);
      else this.#fillIn(); // the reader has gone on
    }, 250);
    this.session.addEventListener("profile", () => this.#sayBasis());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", (event) => {
      if (event.target.name === "rank_by" || event.target.name === "genre") choose(event);
    });
    this.#form.addEventListener("input", (event) => {
      if (event.target.name === "diversity") showDiversity(event.target);
      if (event.target.name === "diversity" || event.target.name.startsWith("year")) soon(event, this.session.id);
    });
    by("clear-filters").addEventListener("click", () => this.#clear());
    this.#panel.querySelector("[data-more]").addEventListener("click", () => this.#more());
  }
}

/** The year in a field; null for none, for the beginning of one, or for one that the service does not take. */
const yearIn = (text) => (/^\d{4}$/.test(text) && text >= 1800 && text <= 2200 ? Number(text) : null);

function showDiversity(slider) {
  by("diversity-value").textContent = `${Math.round(slider.value * 100)}%`;
  slider.style.setProperty("--at", slider.value);
}

/** One sentence on where the list comes from. */
function basis({ based_on, rank_by }, user) {
  if (based_on === "history" && !user.ratings) return words().others;
  if (based_on === "history") return `From your ${ratingsOf(user.ratings)}.`;
  if (based_on === "profile") return `From your profile alone. ${words().rateOne}`;
  const kind = rank_by === "popularity" ? words().popular : "Predicted for an average user";
  return `${kind}, since nothing is known of you yet. ${words().rateOne}`;
}
