// The place that the address names, so that it can be linked to, left by Back and found again by a reload.

import { ownId, readId, writeId } from "./ids.js";

const VIEWS = ["start", "list", "movie", "watchlist", "together", "model"];

/** Of the list's options, which have the names and values of the API's parameters, those that are numbers. */
const NUMBERS = ["year_from", "year_to", "diversity"];

/** The place of an address: {view, user, movie, members, strategy, options}; view is one of `VIEWS`. */
export function placeOf(address) {
  const query = new URL(address).searchParams;
  const number = (name) => (/^\d+(\.\d+)?$/.test(query.get(name)) ? Number(query.get(name)) : null);
  const movie = /^\d+$/.test(query.get("movie")) ? ownId(query.get("movie")) : null;
  const named = VIEWS.includes(query.get("view")) ? query.get("view") : "list";
  const view = movie !== null ? "movie" : named === "movie" ? "list" : named;
  const members = [...new Set(query.getAll("member").map(readId).filter((id) => id !== null))].slice(0, 10);
  const options = { genre: query.getAll("genre"), rank_by: query.get("rank_by") };
  for (const name of NUMBERS) options[name] = number(name);
  return { view, user: readId(query.get("user")), movie, members, strategy: query.get("strategy"), options };
}

/** The address of a place, without what is not set. */
export function addressOf({ view, user, movie, members = [], strategy = null, options = {} }) {
  const query = new URLSearchParams();
  const set = (name, value) => value !== null && value !== undefined && query.append(name, value);
  set("user", user === null || user === undefined ? user : writeId(user));
  if (view === "movie") set("movie", movie);
  else if (view !== "list") set("view", view);
  if (view === "together") {
    for (const member of members) set("member", writeId(member));
    if (strategy !== "average") set("strategy", strategy);
  }
  if (view === "list") {
    for (const genre of options.genre ?? []) set("genre", genre);
    for (const name of ["rank_by", ...NUMBERS]) set(name, options[name]);
  }
  return `./${query.size ? `?${query}` : ""}`;
}
