// Ratings from other sites: a file is chosen or dropped, looked at, and written.

import { api, isAbort, Latest } from "../api.js";
import { by, closable, node, plural, say } from "../elements/dom.js";
import { toast } from "../elements/toast.js";
import { ownId } from "../ids.js";

const SOURCES = { letterboxd: "Letterboxd", imdb: "IMDb", trakt: "Trakt", movielens: "MovieLens", table: "your file" };

export class RatingImport {
  #panel = by("taste");
  #dialog = by("import");
  #latest = new Latest();
  #preview = null;
  #choices = new Map();

  /** `arrive` leads to where this panel is seen. */
  constructor(session, arrive) {
    this.session = session;
    this.arrive = arrive;
    const file = by("taste-file");
    for (const button of document.querySelectorAll("[data-bring]")) button.addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files.length) this.#look(file.files[0]);
      file.value = ""; // so that the same file can be chosen again
    });
    this.#listenForDrops();
    closable(this.#dialog);
    this.#dialog.querySelector("form").addEventListener("submit", (event) => this.#write(event));
    this.#dialog.querySelector("#import-missing button").addEventListener("click", () => this.#download());
    by("import-matched").addEventListener("toggle", () => this.#drawMatched());
    by("import-missing").addEventListener("toggle", () => this.#drawMissing());
  }

  /** A file may be dropped anywhere: the browser would leave the page for one that misses. */
  #listenForDrops() {
    const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
    const mark = (over) => this.#panel.classList.toggle("dropping", over);
    document.addEventListener("dragover", (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      mark(Boolean(this.session.id));
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? mark(false));
    document.addEventListener("drop", (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      mark(false);
      if (this.session.id) this.#look(event.dataTransfer.files[0]);
      else toast("Start as a user first, then bring your ratings.");
    });
  }

  /** What is on its way, or looked at, is of the user before. */
  reset() {
    this.#latest.abort();
    this.#panel.classList.remove("busy");
    say(this.#panel, "");
    this.#dialog.close();
  }

  async #look(file) {
    if (document.documentElement.dataset.feedback === "likes") {
      toast("This service has no stars, so that it takes no ratings from other sites.");
      return;
    }
    await this.arrive();
    say(this.#panel, "");
    this.#panel.classList.add("busy");
    try {
      this.#show(await api.previewImport(this.session.id, file, this.#latest.signal()));
    } catch (error) {
      if (isAbort(error)) return;
      say(this.#panel, `${file.name} cannot be read.`, error.message);
      this.#panel.scrollIntoView({ block: "nearest" });
    }
    this.#panel.classList.remove("busy");
  }

  #show(preview) {
    this.#preview = preview;
    this.#choices.clear();
    const { source, best, matched, doubtful, not_found } = preview;
    by("import-title").textContent = `Ratings from ${SOURCES[source]}`;
    by("import-words").textContent = best === 5 ? "Its stars stay as they are." : `Its ratings up to ${best} become 0.5 to 5 stars.`;
    by("import-counts").replaceChildren(...counts(preview));
    by("import-doubtful").hidden = !doubtful.length;
    by("import-doubtful").querySelector("ul").replaceChildren(...doubtful.map((entry) => this.#choice(entry)));
    this.#fold("import-matched", matched, "found");
    this.#fold("import-missing", not_found, "not found");
    this.#dialog.querySelector(".error").textContent = "";
    this.#count();
    this.#dialog.showModal();
    by("import-title").focus();
  }

  #fold(id, entries, words) {
    const fold = by(id);
    fold.hidden = !entries.length;
    fold.open = false;
    fold.querySelector("summary").textContent = `${plural(entries.length, "movie")} ${words}`;
    fold.querySelector("tbody, ul").replaceChildren();
  }

  #choice(entry) {
    const item = node("li");
    const label = node("label");
    const select = node("select");
    const none = node("option", "", "None of these");
    none.value = "";
    select.append(none, ...entry.candidates.map(({ movie }) => {
      const option = node("option", "", named(movie.display_title, movie.year));
      option.value = movie.movie_id;
      return option;
    }));
    select.addEventListener("change", () => {
      if (select.value) this.#choices.set(entry, ownId(select.value));
      else this.#choices.delete(entry);
      this.#count();
    });
    label.append(node("span", "", `${named(entry.title, entry.year)}, ${entry.stars} ★`), select);
    item.append(label);
    return item;
  }

  /** What is to be written, by movie: of two rows for one movie, the later. */
  get #ratings() {
    const chosen = [...this.#choices].map(([entry, movie_id]) => ({ ...entry, movie_id }));
    const matched = this.#preview.matched.map((entry) => ({ ...entry, movie_id: entry.movie.movie_id }));
    const rows = [...matched, ...chosen].sort((one, other) => one.row - other.row);
    return [...new Map(rows.map(({ movie_id, stars, rated_at }) => [movie_id, { movie_id, stars, rated_at }])).values()];
  }

  #count() {
    const button = this.#dialog.querySelector("[type=submit]");
    const count = this.#ratings.length;
    button.textContent = count ? `Write ${plural(count, "rating")}` : "Nothing to write";
    button.disabled = !count;
  }

  /** Rows are drawn when they are asked for: there may be thousands. */
  #drawMatched() {
    const body = by("import-matched").querySelector("tbody");
    if (!by("import-matched").open || body.childElementCount) return;
    body.append(...this.#preview.matched.map(({ movie, title, given, stars, own_stars }) => {
      const row = node("tr");
      const name = node("td", "", named(movie.display_title, movie.year));
      if (title !== movie.display_title) name.append(node("span", "muted", title));
      const becomes = node("td", "", String(stars));
      if (own_stars !== null && own_stars !== stars) becomes.append(node("span", "muted", `was ${own_stars}`));
      row.append(name, node("td", "", String(given)), becomes);
      return row;
    }));
  }

  #drawMissing() {
    const list = by("import-missing").querySelector("ul");
    if (!by("import-missing").open || list.childElementCount) return;
    list.append(...this.#preview.not_found.map(({ title, imdb_id, year }) => node("li", "", named(title || imdb_id, year))));
  }

  #download() {
    const quoted = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
    const rows = this.#preview.not_found.map(({ title, year, stars, imdb_id, tmdb_id }) =>
      [title, year, stars, imdb_id, tmdb_id].map(quoted).join(","),
    );
    const table = ["title,year,rating,imdb_id,tmdb_id", ...rows].join("\r\n");
    const link = node("a");
    link.href = URL.createObjectURL(new Blob([table], { type: "text/csv" }));
    link.download = "not-found.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async #write(event) {
    event.preventDefault();
    const { id } = this.session;
    const preview = this.#preview;
    const isShown = () => this.#dialog.open && this.#preview === preview;
    const ratings = this.#ratings;
    const button = this.#dialog.querySelector("[type=submit]");
    button.disabled = true;
    try {
      await this.session.bring(ratings);
      if (id !== this.session.id) return;
      if (isShown()) this.#dialog.close();
      toast(`${plural(ratings.length, "rating")} written.`);
    } catch (error) {
      if (id !== this.session.id) return;
      if (isShown()) {
        this.#dialog.querySelector(".error").textContent = error.message;
        button.disabled = false;
      } else toast(error.message, { error: true });
    }
  }
}

const named = (title, year) => (year ? `${title} (${year})` : title);

/** What the file holds, in numbers; what it does not hold is left out. */
function counts({ matched, doubtful, not_found, left_out }) {
  const replaced = matched.filter(({ own_stars, stars }) => own_stars !== null && own_stars !== stars).length;
  const numbers = [
    ["found", matched.length], ["replace a rating", replaced], ["in doubt", doubtful.length], ["not found", not_found.length],
    ["watched, not rated: left out", left_out.watched], ["on your watch list: left out", left_out.watchlist],
    ["series and games: left out", left_out.no_movies], ["rated twice: the last counts", left_out.repeated],
    ["unreadable", left_out.unreadable],
  ]; // prettier-ignore
  return numbers.filter(([, count]) => count).map(([words, count]) => {
    const fact = node("div");
    fact.append(node("dt", "", words), node("dd", "", count.toLocaleString("en")));
    return fact;
  });
}
