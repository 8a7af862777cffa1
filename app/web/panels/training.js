// While a preliminary model is served: how far the training of the better one is.

import { by } from "../elements/dom.js";

const TIME = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const EVERY_MILLISECONDS = 10_000;
let timer;

/** Show how far the training is; `again` is run later, as long as there is something to wait for. */
export function showTraining({ card, training }, again) {
  clearTimeout(timer);
  const notice = by("training");
  const waiting = card.preliminary && training !== null && training.state !== "served";
  notice.hidden = !waiting;
  if (!waiting) return;
  const bar = notice.querySelector("progress");
  bar.hidden = training.state !== "running";
  bar.value = training.share;
  notice.querySelector("[data-training]").textContent = said(training);
  if (training.state === "running" || training.state === "interrupted") timer = setTimeout(again, EVERY_MILLISECONDS);
}

function said({ state, stage, share, ready_at }) {
  if (state === "failed") return `The training of the better one has failed: ${stage}`;
  if (state === "worse") return "A larger one was trained, but its lists were no better for people it did not know.";
  if (state === "interrupted") return "The training of the better one was interrupted. It goes on with the next start.";
  const end = ready_at === null ? "" : `, ready at about ${TIME.format(new Date(ready_at))}`;
  return `A better one is in training: ${Math.floor(100 * share)} % done${end}. It takes over by itself.`;
}
