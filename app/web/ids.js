// Ids of users as they are typed and stand in addresses: digits alone are the service's own, all else is external.

const PREFIX = "external:";

/** The id that a text names: a number for an own one, text for an external one; null for an empty text. */
export function readId(text) {
  const bare = text?.trim();
  if (!bare) return null;
  return /^\d+$/.test(bare) ? Number(bare) : (bare.startsWith(PREFIX) ? bare.slice(PREFIX.length) : bare);
}

/** What names this id, for people and in an address. */
export function writeId(id) {
  const isAmbiguous = typeof id === "string" && (/^\d+$/.test(id) || id.startsWith(PREFIX));
  return isAmbiguous ? PREFIX + id : String(id);
}

/** The same as a part of a path. */
export const segment = (id) => (typeof id === "number" ? String(id) : encodeURIComponent(PREFIX + id));
