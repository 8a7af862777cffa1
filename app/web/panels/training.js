// While a preliminary model is served: how far the training of the better one is.

import { by } from "../elements/dom.js";

const TIME = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const EVERY_MILLISECONDS = 10_000;
const ENDED = ["worse", "failed"];
let timer;

/** Show how far the training is; `again` is run from time to time, as long as there is something to wait for. */
export function showTraining({ card, training }, again) {
  clearTimeout(timer);
  const notice = by("training");
  notice.hidden = !card.preliminary;
  if (!card.preliminary) return;
  // The state of the first model's own training says nothing of the better one's.
  const better = training !== null && training.model !== card.model ? training : null;
  const bar = notice.querySelector("progress");
  bar.hidden = better?.state !== "running";
  bar.value = better?.share ?? 0;
  notice.querySelector("[data-training]").textContent = said(better);
  if (!ENDED.includes(better?.state)) waitFor(again);
}

/** Look again later, also after a look that has failed. */
export function waitFor(again) {
  timer = setTimeout(again, EVERY_MILLISECONDS);
}

function said(training) {
  switch (training?.state) {
    case "running": {
      const end = training.ready_at === null ? "" : `, ready at about ${TIME.format(new Date(training.ready_at))}`;
      return `A better one is in training: ${Math.floor(100 * training.share)} % done${end}. It takes over by itself.`;
    }
    case "interrupted":
      return "The training of a better one was interrupted. It goes on with the next start.";
    case "served":
      return "A better one is ready, and takes over in a moment.";
    case "worse":
      return "A larger one was trained, but its lists were no better for people whom neither knew.";
    case "failed":
      return `The training of a better one has failed: ${training.stage}`;
    default:
      return "A better one takes over by itself, once it is trained.";
  }
}
