// Ids of users as they are typed and stand in addresses: digits alone are the service's own, all else is external.
// An own id is a Number as far as these are exact, to 2^53, and a BigInt beyond; it is one or the other in all that the
// page holds, so that both are compared and looked up alike.

const PREFIX = "external:";

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

/** The same as a part of a path. */
export const segment = (id) => (typeof id === "string" ? encodeURIComponent(PREFIX + id) : String(id));
