// The place that the address names, so that it can be linked to, left by Back and found again by a reload.

import { readId, writeId } from "./ids.js";

/** Of the list's options, which have the names and values of the API's parameters, those that are numbers. */
const NUMBERS = ["year_from", "year_to", "diversity"];

/** The place of an address: {view, user, movie, options}; view is "start", "list", "movie", "watchlist" or "model". */
export function placeOf(address) {
  const query = new URL(address).searchParams;
  const number = (name) => (/^\d+(\.\d+)?$/.test(query.get(name)) ? Number(query.get(name)) : null);
  const movie = number("movie");
  const view = movie !== null ? "movie" : ["start", "model", "watchlist"].includes(query.get("view")) ? query.get("view") : "list";
  const options = { genre: query.getAll("genre"), rank_by: query.get("rank_by") };
  for (const name of NUMBERS) options[name] = number(name);
  return { view, user: readId(query.get("user")), movie, options };
}

/** The address of a place, without what is not set. */
export function addressOf({ view, user, movie, options = {} }) {
  const query = new URLSearchParams();
  const set = (name, value) => value !== null && value !== undefined && query.append(name, value);
  set("user", user === null || user === undefined ? user : writeId(user));
  if (view === "movie") set("movie", movie);
  else if (view !== "list") set("view", view);
  else {
    for (const genre of options.genre ?? []) set("genre", genre);
    for (const name of ["rank_by", ...NUMBERS]) set(name, options[name]);
  }
  return `./${query.size ? `?${query}` : ""}`;
}
