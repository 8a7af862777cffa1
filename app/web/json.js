// JSON whose ids are exact: JSON.parse alone rounds whole numbers beyond 2^53.

import { ownId } from "./ids.js";

/** The value of a text. Throws an Error where the text has such a number and the browser does not say its digits. */
export function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    if (!Number.isInteger(value) || Number.isSafeInteger(value)) return value;
    if (!context?.source) throw new Error("This browser rounds the ids of this service. A newer one shows the page.");
    return /^\d+$/.test(context.source) ? ownId(context.source) : value;
  });
}

/** The text of a value. */
export const stringify = (value) =>
  JSON.stringify(value, (_, own) => (typeof own === "bigint" ? JSON.rawJSON(String(own)) : own));
