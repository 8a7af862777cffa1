// Puts the page together.

import { addressOf, placeOf } from "./address.js";
import { api, isAbort, Latest, onKeyNeeded, predictAfter } from "./api.js";
import { announce, by, node } from "./elements/dom.js";
import { spoken, WATCHED } from "./elements/stars.js";
import { endToast, toast } from "./elements/toast.js";
import { sayInWords, words } from "./elements/words.js";
import { readId, writeId } from "./ids.js";
import { showCard } from "./panels/card.js";
import { FirstSteps } from "./panels/first-steps.js";
import { History } from "./panels/history.js";
import { MovieView } from "./panels/movie.js";
import { showOnline } from "./panels/online.js";
import { chooseUser, keyDialog, leaveDialog, profileDialog, profileOf } from "./panels/people.js";
import { Recommendations } from "./panels/recommendations.js";
import { Search } from "./panels/search.js";
import { RatingImport } from "./panels/rating-import.js";
import { Together } from "./panels/together.js";
import { Watchlist } from "./panels/watchlist.js";
import { Session } from "./session.js";
import { recall, remember } from "./storage.js";

const VIEWS = {
  start: "start", list: "workspace", movie: "movie", watchlist: "watchlist", together: "together", model: "model",
}; // prettier-ignore
const OF_A_USER = ["list", "watchlist"];
const NO_OPTIONS = { genre: [] };

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

const session = new Session();
const opening = new Latest();
let options = NO_OPTIONS;
let listed = null; // the address of the list that is shown
let missing = [askForCard, askForGenres]; // what every user sees and is not here yet

const actions = {
  give: (movie, stars) => (stars === WATCHED ? mark(movie, "watch") : write(movie, stars)),
  addressOf: ({ movie_id }) => addressOf({ view: "movie", user: session.id, movie: movie_id }),
};
const marked = {
  ...actions,
  marks: {
    isListed: ({ movie_id }) => session.isOnWatchlist(movie_id),
    list: (movie) => mark(movie, "watchlist", { removed: session.isOnWatchlist(movie.movie_id) }),
    isDismissed: ({ movie_id }) => session.isDismissed(movie_id),
    dismiss: (movie) => mark(movie, "dislike", { removed: session.isDismissed(movie.movie_id) }),
  },
};
const remove = {
  word: "×",
  label: ({ display_title }) => `Delete the ${words().rating} of ${display_title}`,
  run: (movie) => write(movie, null),
};
const recommendations = new Recommendations(session, marked, (chosen, how) => go({ view: "list", options: chosen }, how));
const search = new Search(session, marked);
const movie = new MovieView(session, marked);
const watchlist = new Watchlist(session, marked);
const history = new History(session, { ...actions, act: remove });
const together = new Together(actions, (chosen) => go({ view: "together", ...chosen }));
const firstSteps = new FirstSteps(session, actions, () => by("list-title").focus());
const ratingImport = new RatingImport(session, async () => {
  if (document.body.dataset.view !== "list") await go({ view: "list", options });
});

async function write(movie, stars, { undoing = false, ratedAt = null } = {}) {
  if (!session.id) {
    refresh();
    toast(words().rateFirst);
    return;
  }
  const user = session.id;
  let before;
  try {
    before = await session.write(movie, stars, ratedAt);
  } catch (error) {
    refresh();
    toast(error.message, { error: true });
    return;
  }
  if (user !== session.id) return;
  const message = [titled(movie), stars === null ? `: ${words().deleted}.` : `: ${spoken(stars)}.`];
  const undo = () => write(movie, before.stars, { undoing: true, ratedAt: before.ratedAt });
  toast(message, undoing ? {} : { undo });
}

/** What was said of a movie, or taken back, in words. */
const SAID = {
  watchlist: ["is on the watch list", "is off the watch list"],
  watch: ["is watched", "is no longer watched"],
  dislike: ["will not be recommended", "may be recommended again"],
};

async function mark(movie, kind, { removed = false, undoing = false } = {}) {
  if (!session.id) {
    toast("Start as a user first.");
    return;
  }
  const user = session.id;
  try {
    await session.mark(movie, kind, { removed });
  } catch (error) {
    toast(error.message, { error: true });
    return;
  }
  if (user !== session.id) return;
  const undo = () => mark(movie, kind, { removed: !removed, undoing: true });
  toast([titled(movie), ` ${SAID[kind][removed ? 1 : 0]}.`], undoing ? {} : { undo });
}

/** A title among other words, in its own direction of writing. */
const titled = ({ display_title }) => node("bdi", "", display_title);

function refresh() {
  for (const part of [recommendations, search, movie, history, watchlist, firstSteps]) part.refresh();
}

session.addEventListener("watchlist", refresh);

session.addEventListener("mark", ({ detail: { movie, kind, removed } }) => {
  refresh();
  if (kind === "watchlist") return;
  recommendations.load({ message: `${movie.display_title} ${SAID[kind][removed ? 1 : 0]}.` });
});

session.addEventListener("change", ({ detail }) => {
  warn(null);
  history.apply(detail);
  const change = detail.stars === null ? `no longer ${words().rated}` : words().rated;
  recommendations.refresh();
  recommendations.load({ message: `${detail.movie.display_title} is ${change}.` });
  search.predictAgain();
  movie.refresh();
  movie.countAnew(detail.movie);
  watchlist.refresh();
  firstSteps.refresh();
});

session.addEventListener("import", () => {
  warn(null);
  firstSteps.open();
  history.reset();
  history.load();
  search.predictAgain();
  recommendations.load({ message: "Your ratings are here." });
});

// Another tab may have rated meanwhile.
document.addEventListener("visibilitychange", async () => {
  if (document.hidden || !session.id || !(await history.renew())) return;
  session.countAnew();
  refresh();
  recommendations.load();
});

session.addEventListener("profile", showUser);

session.addEventListener("user", () => {
  askForWhatIsMissing();
  warn(null);
  endToast(); // it may undo what the user before did
  for (const panel of [recommendations, search, movie, history, watchlist, ratingImport]) panel.reset();
  firstSteps.hide();
  showUser();
  options = NO_OPTIONS;
  listed = null;
  if (!session.id) {
    go({ view: "start" });
    return;
  }
  by("bar-user").value = writeId(session.name);
  by("start-user").value = "";
  history.load();
  firstSteps.open();
});

function showUser() {
  by("account-button").hidden = !session.id;
  for (const link of document.querySelectorAll("a[data-go=together]")) {
    link.href = addressOf({ view: "together", user: session.id, members: session.id ? [session.name] : [] });
  }
  if (!session.id) return;
  by("user-name").textContent = by("account-button").querySelector("span").textContent = `User ${session.name}`;
  by("user-profile").textContent = profileOf(session.user);
  document.querySelector(".user-heading [data-profile]").textContent = by("user-profile").textContent ? "Change" : "Add a profile";
}

/** Go to a place, of this user unless it says another; its parts are those of `address.js`. */
function go(place, { replace = false } = {}) {
  const whole = { user: session.id, options: NO_OPTIONS, ...place };
  const address = addressOf(whole);
  const isHere = new URL(address, document.baseURI).href === window.location.href;
  if (replace || isHere) window.history.replaceState(null, "", address);
  else window.history.pushState(null, "", address);
  return arrive(whole);
}

/**
 * Show a place, `atTop` unless the browser goes back to where it was. A user who cannot be opened is named, and the one
 * before stays.
 */
async function arrive(place, { atTop = true } = {}) {
  opening.abort(); // whoever is on the way is no longer asked for
  for (const dialog of document.querySelectorAll("dialog[open]:not(#ask-key)")) dialog.close(); // it is of another place
  const before = document.body.dataset.view;
  const isOther = place.user !== null && !session.has(place.user);
  if (isOther && !session.id && place.view === "list") expectUser(place.user);
  if (isOther && !(await open(place.user))) return;
  if (OF_A_USER.includes(place.view) && !session.id) return go({ view: "start" }, { replace: true });
  const moved = before !== place.view || isOther || place.view === "movie";
  if (moved) warn(null);
  showView(place.view);
  if (place.view === "list") list(place);
  if (place.view === "watchlist") watchlist.load();
  if (place.view === "model") showOnline();
  const shown = place.view === "movie" ? showMovie(place.movie) : place.view === "together" ? together.show(place) : null;
  if (moved && before) arriveAt(place.view, atTop); // a page that opens begins where the browser begins
  await shown;
}

function list(place) {
  const address = addressOf({ ...place, user: session.id });
  if (address === listed) return;
  const message = listed === null ? null : "Changed.";
  listed = address;
  options = place.options;
  recommendations.use(options, { message });
}

async function showMovie(id) {
  const shown = await movie.open(id);
  if (shown && document.body.dataset.view === "movie") nameDocument(shown.display_title); // else the reader has gone on
}

function showView(view) {
  document.body.dataset.view = view;
  for (const [name, id] of Object.entries(VIEWS)) by(id).hidden = name !== view;
  by("tabs").hidden = document.querySelector("[data-to-search]").hidden = !session.id;
  for (const link of document.querySelectorAll(".view-head a")) {
    link.hidden = !session.id;
    link.href = addressOf({ view: "list", user: session.id, options });
  }
  by("go-on").hidden = !session.remembered;
  by("go-on").textContent = `Go on as user ${session.remembered}`;
  by("go-on").href = addressOf({ view: "list", user: readId(session.remembered) });
  by("to-watchlist").href = addressOf({ view: "watchlist", user: session.id });
  const named = { watchlist: "Watch list", model: "The model", movie: "Movie", together: "Watch together" };
  nameDocument({ list: session.id && `User ${session.name}`, ...named }[view]);
}

function nameDocument(name) {
  document.title = name ? `${name} · SeqRec` : "SeqRec: what to watch next";
}

function arriveAt(view, atTop) {
  if (atTop) window.scrollTo(0, 0);
  const heading = view === "list" ? by("user-name") : by(`${VIEWS[view]}-title`);
  heading.focus({ preventScroll: true });
}

/** The workspace as it will be, while a user is on the way. */
function expectUser(id) {
  by("user-name").textContent = `User ${id}`;
  showView("list");
  nameDocument(`User ${id}`);
  recommendations.waiting();
  history.waiting();
}

/** Whether the user could be opened; where not, says why. */
async function open(id) {
  try {
    await session.open(id, opening.signal());
    return true;
  } catch (error) {
    if (isAbort(error)) return false;
    if (error.code === "user_not_found" && session.remembered === String(id)) session.forget();
    const asked = placeOf(window.location.href);
    if (session.id) {
      by("bar-user").value = writeId(session.name);
      go({ view: "list", options }, { replace: true });
    } else if (error.code === "user_not_found" && !OF_A_USER.includes(asked.view)) {
      go({ ...asked, user: null }, { replace: true }); // it can be shown without a user
    } else showView("start");
    warn(error.message, error.code === "unreachable" || error.status === 401 ? () => go({ ...asked, user: id }) : null);
    return false;
  }
}

/** A notice above everything, until something works. */
function warn(message, again = null) {
  const container = by("notice");
  container.replaceChildren();
  if (!message) return;
  const notice = node("div", "notice error");
  notice.append(node("span", "", message));
  if (again) {
    const button = node("button", "button small", "Try again");
    button.type = "button";
    button.addEventListener("click", again);
    notice.append(button);
  }
  container.append(notice);
}

/** Ask for what every user sees; what fails is asked for again when another user is opened. */
function askForWhatIsMissing() {
  const asked = missing;
  missing = [];
  for (const ask of asked) ask().catch(() => missing.push(ask));
}

function askForCard() {
  const shown = showCard(() => session.id && recommendations.load(), () => askForCard().catch(() => {}));
  predictAfter(shown);
  return shown.then(() => {
    sayInWords();
    refresh();
    session.dispatchEvent(new Event("profile"));
  });
}

async function askForGenres() {
  recommendations.showGenres((await api.genres()).genres);
}

function start() {
  askForWhatIsMissing();
  const place = placeOf(window.location.href);
  if (place.user === null && place.view !== "start" && session.remembered) place.user = readId(session.remembered);
  if (place.user === null && OF_A_USER.includes(place.view)) place.view = "start";
  go(place, { replace: true });
}

window.addEventListener("popstate", () => {
  const place = placeOf(window.location.href);
  if (place.user === null && OF_A_USER.includes(place.view)) place.user = session.id ?? null;
  arrive(place, { atTop: false });
});

// Links within the page stay in it; with a key held down they open where the browser says.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-go]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const place = placeOf(link.href);
  go({ ...place, user: place.user ?? session.id });
});

for (const tab of document.querySelectorAll("#tabs a:not([data-go]), [data-to-search]")) {
  tab.addEventListener("click", async (event) => {
    event.preventDefault();
    if (document.body.dataset.view !== "list") await go({ view: "list", options });
    const target = by(tab.getAttribute("href").slice(1));
    target.scrollIntoView({ behavior: still.matches ? "auto" : "smooth" });
    if (tab.matches("[data-to-search], [href='#search']")) search.focus();
    else target.querySelector("h2").focus({ preventScroll: true });
  });
}

document.addEventListener("keydown", async (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !session.id) return;
  if (event.target.closest("input, select, textarea, dialog")) return;
  event.preventDefault();
  if (document.body.dataset.view !== "list") await go({ view: "list", options });
  search.focus();
});

/** The address of this page for others. Who opens one with a user becomes that user, so only a user's own pages have it. */
function sharedAddress() {
  const place = placeOf(window.location.href);
  const address = addressOf(OF_A_USER.includes(place.view) ? place : { ...place, user: null });
  return new URL(address, document.baseURI).href;
}

for (const button of document.querySelectorAll("[data-share]")) {
  button.addEventListener("click", async () => {
    by("account").hidePopover();
    const url = sharedAddress();
    if (navigator.share) return navigator.share({ title: document.title, url }).catch(() => {});
    const copied = await navigator.clipboard?.writeText(url).then(() => true, () => false);
    return toast(copied ? "The address is copied." : `The address of this page: ${url}`);
  });
}

by("sign-up").addEventListener("click", async ({ currentTarget: button }) => {
  button.disabled = true; // another click would make another user
  try {
    await session.signUp(opening.signal()); // who opens another user meanwhile stays that one
  } catch (error) {
    if (!isAbort(error)) warn(error.message);
    return;
  } finally {
    button.disabled = false;
  }
  await go({ view: "list" });
  firstSteps.focus();
  announce(`Welcome. You are user ${session.name}.`);
});

by("sign-out").addEventListener("click", () => {
  by("account").hidePopover();
  session.close();
});

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

function showTheme() {
  by("theme").setAttribute("aria-label", isDark() ? "Use the light colours" : "Use the dark colours");
  by("theme").title = by("theme").getAttribute("aria-label");
  document.documentElement.classList.toggle("is-dark", isDark());
}

by("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  remember("localStorage", "theme", theme);
  showTheme();
});
dark.addEventListener("change", showTheme);
showTheme();

onKeyNeeded(keyDialog());
chooseUser((user) => {
  by("account").hidePopover();
  go({ view: "list", user });
});
profileDialog(session, () => session.id && recommendations.load());
leaveDialog(session);
start();
