// Ids of users as they are typed and stand in addresses: digits alone are the service's own, all else is external.
// An own id is a Number as far as these are exact, to 2^53, and a BigInt beyond; it is one or the other in all that the
// page holds, so that both are compared and looked up alike.

const PREFIX = "external:";
const LARGEST_OWN = 2n ** 63n - 1n;
const LONGEST_EXTERNAL = 128;
const EXTERNAL = /^[^\s/\p{Cc}]( *[^\s/\p{Cc}])*$/u;
const EXTERNAL_RULE =
  `An external id has 1 to ${LONGEST_EXTERNAL} characters, no slash, no control characters, and no space at its beginning or end.`;

/** The own id of these digits. */
export function ownId(digits) {
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}

/** The id that a text names: an own one, text for an external one; null for an empty text. */
export function readId(text) {
  const bare = text?.trim();
  if (!bare) return null;
  return /^\d+$/.test(bare) ? ownId(bare) : (bare.startsWith(PREFIX) ? bare.slice(PREFIX.length) : bare);
}

/** What names this id, for people and in an address. */
export function writeId(id) {
  const isAmbiguous = typeof id === "string" && (/^\d+$/.test(id) || id.startsWith(PREFIX));
  return isAmbiguous ? PREFIX + id : String(id);
}

/** Why there can be no user with this id, as a sentence; null where there can. */
export function problemOf(id) {
  if (typeof id === "string") return EXTERNAL.test(id) && [...id].length <= LONGEST_EXTERNAL ? null : EXTERNAL_RULE;
  if (id < 1) return "The user's id must be at least 1.";
  return id > LARGEST_OWN ? `The user's id must be at most ${LARGEST_OWN}.` : null;
}

/** What names a user in a path; an error for an id that no user can have, since a slash would lead elsewhere. */
export function segment(id) {
  const problem = problemOf(id);
  if (problem) throw new Error(problem);
  return typeof id === "string" ? encodeURIComponent(PREFIX + id) : String(id);
}
