// The service's routes, and what can go wrong with them.

import { segment } from "./ids.js";
import { parse, stringify } from "./json.js";
import { recall, remember } from "./storage.js";

/**
 * An answer that is an error, or none at all (code "unreachable"); the message is for people. `details` are the sentences
 * of a message that says what is wrong with fields: {field, message}.
 */
export class ApiError extends Error {
  constructor(status, code, message, details = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/** Hands out a signal that aborts the one before: only the latest of a kind of request counts. */
export class Latest {
  #controller = null;

  signal() {
    this.abort();
    this.#controller = new AbortController();
    return this.#controller.signal;
  }

  abort() {
    this.#controller?.abort();
  }
}

export const isAbort = (error) => error.name === "AbortError";

/** What a rating is in place of stars, in a service without stars. */
export const LIKED = "like";

let key = recall("sessionStorage", "key"); // also where a browser forbids storage: then until the page is left
let askForKey = async () => null;
let asking = null;
let declined = 0; // how often no key was given

/** Set what is asked for a key when the service wants one; it is given whether a key was refused before. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** Until an answer is given up: longer than the service itself takes for any but those that may take long. */
const MOST_SECONDS = 30;

/** A body is sent as JSON, or as it is where its `type` is named. With `seconds` of 0 an answer may take as long as it does. */
async function request(method, path, { query = {}, body, type, signal, seconds = MOST_SECONDS } = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) {
      if (one !== null && one !== undefined && one !== "") url.searchParams.append(name, one);
    }
  }
  for (;;) {
    const sent = { key, declined };
    const answer = await send(url, { method, body, type, signal, seconds });
    learnTime(answer);
    if (answer.ok) return contentOf(answer);
    const error = await errorOf(answer);
    if (answer.status !== 401 || !(await anotherKey(sent))) throw error;
  }
}

let ahead = -Infinity; // of this clock, by how many milliseconds the service's is

/** The present time by the service's clock, in Unix seconds, as far as its answers tell: never later than it is there. */
export const serviceTime = () => Math.floor((Date.now() + (Number.isFinite(ahead) ? ahead : 0)) / 1000);

/** An answer's date is cut to seconds and travels, so that the latest of all is the nearest. */
function learnTime(answer) {
  const date = Date.parse(answer.headers.get("Date"));
  if (!Number.isNaN(date)) ahead = Math.max(ahead, date - Date.now());
}

async function send(url, { method, body, type, signal, seconds }) {
  const signals = [signal, seconds && AbortSignal.timeout(1000 * seconds)].filter(Boolean);
  const headers = { Accept: "application/json" };
  if (key) headers["X-API-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
  try {
    return await fetch(url, { method, headers, signal: AbortSignal.any(signals), body: type ? body : stringify(body) });
  } catch (error) {
    throw isAbort(error) ? error : unreachable();
  }
}

const unreachable = () => new ApiError(0, "unreachable", "The service does not answer. It may be starting, or be gone.");

async function contentOf(answer) {
  if (answer.status === 204) return null;
  try {
    return parse(await answer.text());
  } catch (error) {
    if (error.name === "TimeoutError") throw unreachable();
    const isUnreadable = error instanceof TypeError || error instanceof SyntaxError; // broken off, or a proxy's page
    throw isUnreadable ? new ApiError(answer.status, "unreadable", "The answer of the service cannot be read.") : error;
  }
}

/** What the page calls the fields of requests. */
const FIELDS = {
  year_from: "the first year", year_to: "the last year", rank_by: "the order", user_id: "the user's id", movie_id: "the movie's id",
}; // prettier-ignore

/** What is wrong with a field, as a sentence; what "must be" otherwise is named. */
function inWords({ field, message }) {
  const name = field.split(".").at(-1);
  const whole = message.startsWith("must") ? `${FIELDS[name] ?? `the ${name.replaceAll("_", " ")}`} ${message}` : message;
  return `${whole[0].toUpperCase()}${whole.slice(1)}.`;
}

async function errorOf(answer) {
  try {
    const { code, detail, details: refused } = await answer.json();
    const details = (refused ?? []).map((one) => ({ field: one.field, message: inWords(one) }));
    const message = details.map((one) => one.message).join(" ") || detail;
    if (detail) return new ApiError(answer.status, code, message, details);
  } catch {
    // not one of the service's own errors: a proxy's page, say
  }
  return new ApiError(answer.status, "http_error", `The service answered ${answer.status} ${answer.statusText}.`);
}

/** Whether there is another key to try than a request was sent with; requests that fail together ask once. */
async function anotherKey(sent) {
  if (key && key !== sent.key) return true;
  if (declined !== sent.declined) return false; // an answer that comes late does not ask again
  asking ??= askForKey(Boolean(key)).then(keep);
  return asking;
}

/** Keep the key that was given; null, if none was: one that was refused is not kept. Whether there is one. */
function keep(given) {
  key = given;
  asking = null;
  if (!key) declined += 1;
  remember("sessionStorage", "key", key);
  return Boolean(key);
}

let card = Promise.resolve();

/** Let predictions wait for the model's card, which tells whether the service has stars. */
export function predictAfter(shown) {
  card = shown.catch(() => {}); // without it, a service without stars refuses them
}

export const api = {
  user: (user, signal) => request("GET", `users/${segment(user)}`, { signal }),
  users: (cursor, signal) => request("GET", "users", { query: { limit: 20, cursor }, signal }),
  addUser: (profile, signal) => request("POST", "users", { body: profile, signal }),
  changeUser: (user, profile) => request("PATCH", `users/${user}`, { body: profile }),
  removeUser: (user) => request("DELETE", `users/${user}`),
  ratings: (user, { cursor, limit, movie, signal } = {}) =>
    request("GET", `users/${user}/ratings`, { query: { limit, cursor, movie_id: movie }, signal }),
  rate: (user, movie, stars, ratedAt) => {
    const body = { rated_at: ratedAt, ...(stars === LIKED ? {} : { stars }) };
    return request("PUT", `users/${user}/ratings/${movie}`, { body });
  },
  unrate: (user, movie) => request("DELETE", `users/${user}/ratings/${movie}`),
  previewImport: (user, file, signal) => {
    const query = { preview: true, name: file.name.slice(-200) };
    return request("POST", `users/${user}/import`, { query, body: file, type: "application/octet-stream", signal, seconds: 0 });
  },
  rateAll: (ratings) => {
    const body = ratings.map(stringify).join("\n");
    return request("POST", "import/ratings", { body, type: "application/jsonl", seconds: 0 });
  },
  events: (events) => request("POST", "events", { body: { events } }),
  watchlist: (user, { cursor, limit, signal } = {}) =>
    request("GET", `users/${user}/watchlist`, { query: { limit, cursor }, signal }),
  movies: (query, signal) => request("GET", "movies", { query, signal }),
  firstMovies: (limit) => request("GET", "movies/first", { query: { limit } }),
  movie: (movie, signal) => request("GET", `movies/${movie}`, { signal }),
  rank: (user, movie, signal) =>
    request("POST", "rank", { body: { user_id: user, movie_ids: [movie], explain: true }, signal }),
  genres: () => request("GET", "genres"),
  similar: (movie, n, signal) => request("GET", `movies/${movie}/similar`, { query: { limit: n }, signal }),
  recommendations: (user, query, signal) => request("GET", `users/${user}/recommendations`, { query, signal }),
  together: (users, strategy, limit, signal) => {
    const members = users.map((user_id) => ({ user_id }));
    return request("POST", "groups/recommendations", { body: { members, strategy, limit, explain: true }, signal });
  },
  /** Predicted stars; none in a service without stars. */
  async predict(user, movies, signal) {
    await card;
    if (document.documentElement.dataset.feedback === "likes") return { predictions: [] };
    return request("POST", "predict", { body: { user_id: user, movie_ids: movies }, signal });
  },
  model: () => request("GET", "model"),
  online: () => request("GET", "model/online", { seconds: 0 }),
  models: () => request("GET", "models"),
};
