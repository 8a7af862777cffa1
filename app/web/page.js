// Puts the page together.

import { api, isAbort, Latest, onKeyNeeded } from "./api.js";
import { showCard } from "./panels/card.js";
import { by, node } from "./elements/dom.js";
import { History } from "./panels/history.js";
import { plainTitle } from "./elements/movies.js";
import { chooseUser, keyDialog, profileOf, signUpDialog } from "./panels/people.js";
import { Recommendations } from "./panels/recommendations.js";
import { Search } from "./panels/search.js";
import { Session } from "./session.js";
import { Similar } from "./panels/similar.js";
import { spoken } from "./elements/stars.js";
import { recall, remember } from "./storage.js";
import { toast } from "./elements/toast.js";

const session = new Session();
const opening = new Latest();

const actions = { give: (movie, stars) => write(movie, stars), similar: (movie) => similar.open(movie) };
const recommendations = new Recommendations(session, actions);
const search = new Search(session, actions);
const similar = new Similar(session, actions);
const history = new History(session, { ...actions, remove: (movie) => write(movie, null) });

async function write(movie, stars, { undoing = false } = {}) {
  const before = session.starsOf(movie.movie_id);
  try {
    await session.write(movie, stars);
  } catch (error) {
    for (const part of [recommendations, search, similar, history]) part.refresh();
    toast(error.message, { error: true });
    return;
  }
  const title = plainTitle(movie);
  const message = stars === null ? `${title}: rating deleted.` : `${title}: ${spoken(stars)}.`;
  toast(message, undoing ? {} : { undo: () => write(movie, before, { undoing: true }) });
}

session.addEventListener("change", ({ detail }) => {
  warn(null);
  history.apply(detail);
  recommendations.load({ message: `${plainTitle(detail.movie)} is ${detail.stars === null ? "no longer " : ""}rated.` });
  search.predictAgain();
  similar.refresh();
});

session.addEventListener("profile", showUser);

session.addEventListener("user", () => {
  warn(null);
  showUser();
  by("welcome").hidden = true;
  by("workspace").hidden = false;
  by("tabs").hidden = false;
  for (const part of document.querySelectorAll(".bar [data-open-user], .bar-new")) part.hidden = false;
  by("bar-user").value = session.id;
  by("welcome-user").value = "";
  search.reset();
  history.reset();
  recommendations.reset();
  history.load();
  recommendations.load();
});

function showUser() {
  by("user-name").textContent = `User ${session.id}`;
  by("user-profile").textContent = profileOf(session.user);
}

/** Open a user; where that fails, say why and stay with the one before. */
async function open(id) {
  try {
    await session.open(id, opening.signal());
  } catch (error) {
    if (isAbort(error)) return;
    if (error.code === "user_not_found" && session.remembered === String(id)) session.forget();
    if (!session.id) welcome();
    if (session.id) by("bar-user").value = session.id;
    warn(error.message, error.code === "unreachable" || error.status === 401 ? () => start(id) : null);
    return;
  }
  by("user-name").focus({ preventScroll: true });
}

function welcome() {
  by("welcome").hidden = false;
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

async function start(id) {
  warn(null);
  showCard(() => session.id && recommendations.load());
  api.genres().then(({ genres }) => recommendations.showGenres(genres), () => {});
  if (id) await open(id);
  else welcome();
}

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
chooseUser(open);
signUpDialog(async (profile) => {
  await session.signUp(profile);
  toast(`Welcome. You are user ${session.id}.`);
  search.focus();
});
start(recall("localStorage", "user"));
