// One list for people who watch together.

import { api, isAbort, Latest } from "../api.js";
import { announce, by, closable, fromTemplate, node, plural, say } from "../elements/dom.js";
import { because, drawTile, percent } from "../elements/movies.js";
import { spoken } from "../elements/stars.js";
import { toast } from "../elements/toast.js";
import { ratingsOf, words } from "../elements/words.js";
import { problemOf, readId, writeId } from "../ids.js";
import { profileOf } from "./people.js";

const PAGE = 10;
const MOST = 100;
const FEWEST_PEOPLE = 2;
const MOST_PEOPLE = 10;
const REASONS = 2;

const STRATEGIES = {
  average: "What all of you together like best.",
  least_misery: "What counts is the one who likes a movie least, so that nobody has to sit through it.",
  fairness: "Each of you picks in turn, there and back: first comes the first one's best movie.",
};

export class Together {
  #panel = by("together");
  #form = by("strategy");
  #latest = new Latest();
  #members = [];
  #strategy = "average";
  #limit = PAGE;

  /** `choose` is told the people and the strategy that are chosen; `addressOf` is that of a movie. */
  constructor({ addressOf }, choose) {
    this.addressOf = addressOf;
    this.choose = choose;
    this.chooser = new Chooser((members) => this.choose({ members, strategy: this.#strategy }));
    this.#listen();
  }

  /** Show the list for these people; the same one again stays. */
  async show({ members, strategy }) {
    this.#members = members;
    this.#strategy = strategy in STRATEGIES ? strategy : "average";
    this.#limit = PAGE;
    this.#drawPeople();
    await this.#load();
  }

  async #load({ more = false } = {}) {
    this.#panel.classList.remove("busy");
    say(this.#panel, "");
    if (this.#members.length < FEWEST_PEOPLE) {
      this.#latest.abort();
      this.#draw(null);
      say(this.#panel, this.#members.length ? "Who else is there?" : "Who is watching?", "Add two to ten people, and one list for all of them appears.");
      return;
    }
    this.#panel.classList.add("busy");
    const limit = more ? Math.min(MOST, this.#limit + PAGE) : this.#limit;
    try {
      const answer = await api.together(this.#members, this.#strategy, limit, this.#latest.signal());
      const shown = by("group-movies").children.length;
      this.#limit = limit;
      answer.members.forEach((member, at) => nameChip(by("members").children[at], nameOf(member)));
      this.#draw(answer);
      if (more) focusRow(shown);
      announce(`${plural(answer.recommendations.length, "movie")} for ${plural(answer.members.length, "person", "people")}.`);
      if (!answer.recommendations.length) say(this.#panel, "Nothing is left.", words().allKnownToOne);
    } catch (error) {
      if (isAbort(error)) return;
      if (more) toast(error.message, { error: true });
      else {
        this.#draw(null);
        say(this.#panel, "There is no list for these people.", this.#why(error), { label: "Try again", run: () => this.#load() });
      }
    }
    this.#panel.classList.remove("busy");
  }

  /** What an error says; where it is of one member, that one is named. */
  #why({ message, details = [] }) {
    const named = details.map((detail) => {
      const at = detail.field.match(/members\.(\d+)\./)?.[1];
      return at === undefined ? detail.message : `User ${this.#members[at]}: ${detail.message}`;
    });
    return named.join(" ") || message;
  }

  #drawPeople() {
    by("member-problem").textContent = "";
    by("members").replaceChildren(...this.#members.map((id) => this.#chip(id)));
    for (const radio of this.#form.strategy) radio.checked = radio.value === this.#strategy;
    by("strategy-help").textContent = STRATEGIES[this.#strategy];
    for (const control of by("add-member").elements) control.disabled = this.#members.length >= MOST_PEOPLE;
  }

  #chip(id) {
    const chip = fromTemplate("member-template");
    nameChip(chip, id);
    chip.querySelector("button").addEventListener("click", () => {
      this.#take(this.#members.filter((other) => other !== id));
      by("member").focus();
    });
    return chip;
  }

  #draw(answer) {
    const entries = answer?.recommendations ?? [];
    by("group-movies").replaceChildren(...entries.map((entry) => this.#row(entry, answer.members)));
    by("group-legend").hidden = !entries.length;
    this.#panel.querySelector("[data-more]").hidden = entries.length < this.#limit || this.#limit >= MOST;
  }

  #row(entry, members) {
    const row = fromTemplate("group-movie-template");
    const title = row.querySelector(".title-text");
    title.textContent = entry.display_title;
    title.href = this.addressOf(entry);
    title.dataset.go = "movie";
    row.querySelector(".year").textContent = entry.year ? ` (${entry.year})` : "";
    row.querySelector(".genres").textContent = entry.genres.join(" · ");
    drawTile(row.querySelector(".tile"), entry);
    row.querySelector(".badge").hidden = entry.chosen_by === null;
    if (entry.chosen_by !== null) row.querySelector(".badge").textContent = `picked by user ${nameOf(members[entry.chosen_by])}`;
    row.querySelector(".opinions").append(...entry.members.map((own, at) => opinion(own, members[at])));
    return row;
  }

  #take(members) {
    this.choose({ members, strategy: this.#strategy });
  }

  #listen() {
    this.#form.addEventListener("change", (event) => this.choose({ members: this.#members, strategy: event.target.value }));
    by("add-member").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = by("member");
      const id = readId(field.value);
      if (id === null) {
        field.reportValidity();
        return;
      }
      const problem = problemOf(id);
      by("member-problem").textContent = problem ?? "";
      if (problem) {
        field.focus();
        return;
      }
      field.value = "";
      if (!this.#members.includes(id)) this.#take([...this.#members, id]);
    });
    by("choose-members").addEventListener("click", () => this.chooser.open(this.#members));
    this.#panel.querySelector("[data-more]").addEventListener("click", () => this.#load({ more: true }));
  }
}

/** Put the focus on the row at this place, or the last one. */
function focusRow(at) {
  const rows = by("group-movies").children;
  (rows[at] ?? [...rows].at(-1))?.querySelector(".title-text").focus();
}

/** What a user is called: the id in another system where there is one, else the service's own. */
const nameOf = ({ user_id, external_id }) => external_id ?? user_id;

function nameChip(chip, name) {
  chip.querySelector(".member-name").textContent = `User ${name}`;
  const button = chip.querySelector("button");
  button.setAttribute("aria-label", `Without user ${name}`);
  button.title = button.getAttribute("aria-label");
}

/** What a movie is for one member. */
function opinion({ predicted_stars, like_probability, reasons }, member) {
  const line = fromTemplate("opinion-template");
  line.querySelector(".opinion-name").textContent = `User ${nameOf(member)}`;
  if (predicted_stars !== null) {
    const stars = line.querySelector(".stars-shown");
    stars.style.setProperty("--stars", predicted_stars);
    stars.setAttribute("aria-label", spoken(Number(predicted_stars.toFixed(1))));
    line.querySelector(".opinion-number").textContent = predicted_stars.toFixed(1);
  }
  if (like_probability !== null) {
    line.querySelector(".likely-text").replaceChildren(percent(like_probability), node("span", "unseen", " chance of 4 or 5 stars"));
  }
  if (reasons?.length) line.querySelector(".reasons").replaceChildren(...because(reasons.slice(0, REASONS), "", ""));
  return line;
}

/** The dialog with all users, some at a time, to choose from. */
class Chooser {
  #dialog = by("choose-people");
  #chosen = new Set();
  #cursor = null;
  #latest = new Latest();

  /** `done` is told the ids that are chosen. */
  constructor(done) {
    closable(this.#dialog);
    this.#dialog.querySelector("form").addEventListener("submit", () => done([...this.#chosen]));
    this.#more.addEventListener("click", () => this.#load());
    by("people").addEventListener("change", ({ target }) => {
      if (target.checked) this.#chosen.add(readId(target.value));
      else this.#chosen.delete(readId(target.value));
      this.#count();
    });
  }

  get #more() {
    return this.#dialog.querySelector("[data-more]");
  }

  open(members) {
    this.#chosen = new Set(members);
    this.#cursor = null;
    by("people").replaceChildren();
    this.#count();
    this.#dialog.showModal();
    this.#load();
  }

  async #load() {
    const problem = this.#dialog.querySelector(".error");
    problem.textContent = "";
    try {
      const { users, next_cursor } = await api.users(this.#cursor, this.#latest.signal());
      this.#cursor = next_cursor;
      const rows = users.map((user) => this.#person(user));
      by("people").append(...rows);
      this.#count();
      if (!next_cursor && document.activeElement === this.#more) this.#goOnWith(rows); // the button goes
    } catch (error) {
      if (isAbort(error)) return;
      problem.textContent = error.message;
    }
    this.#more.hidden = !this.#cursor;
  }

  #goOnWith(rows) {
    const box = rows[0]?.querySelector("input:enabled");
    (box ?? this.#dialog.querySelector("[type=submit]")).focus();
  }

  #person(user) {
    const row = fromTemplate("person-template");
    const box = row.querySelector("input");
    const id = this.#chosen.has(user.user_id) ? user.user_id : nameOf(user); // whichever of the two is chosen already
    box.value = writeId(id);
    box.checked = this.#chosen.has(id);
    row.querySelector(".person-name").textContent = `User ${nameOf(user)}`;
    row.querySelector(".muted").textContent = [profileOf(user), ratingsOf(user.ratings)].filter(Boolean).join(" · ");
    return row;
  }

  #count() {
    const isFull = this.#chosen.size >= MOST_PEOPLE;
    for (const box of by("people").querySelectorAll("input")) box.disabled = isFull && !box.checked;
    by("chosen-count").textContent = `${this.#chosen.size} of at most ${MOST_PEOPLE} chosen`;
  }
}
