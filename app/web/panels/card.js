// The model card: what is served, what it learned from and how good it is.

import { api } from "../api.js";
import { curve, measure } from "../elements/chart.js";
import { by, fromTemplate, node, say } from "../elements/dom.js";
import { percent } from "../elements/movies.js";
import { toast } from "../elements/toast.js";
import { showTraining, waitFor } from "./training.js";

const BASELINES = { mean: "mean of all ratings", "movie-mean": "mean of the movie", bias: "user and movie bias" };
const MOST_SERVED = 12;
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

let shown = null;

/**
 * Show the card, and how far the training of the next model is; tell `onNewModel` when that has taken over. Throws where
 * there is no card, which the panel says, with a button for `retry`.
 */
export async function showCard(onNewModel, retry) {
  const panel = by("model");
  const again = () => showCard(onNewModel, retry).catch(() => {});
  try {
    const model = await api.model();
    say(panel, "");
    showTraining(model, again);
    by("model-version").textContent = servedInWords(model);
    if (shown === model.version) return;
    if (shown !== null) {
      toast("A better model has taken over.");
      onNewModel();
    }
    shown = model.version;
    document.documentElement.dataset.feedback = model.card.held_out ? "stars" : "likes";
    by("sample").hidden = !model.sample_data;
    by("model-words").textContent = inWords(model.card);
    by("card").replaceChildren(...draw(model));
    const models = await api.models().catch(() => ({ history: [] })); // the card says enough without them
    document.querySelector("#card .measures").append(...served(models));
  } catch (error) {
    if (shown !== null) {
      waitFor(again); // a card is there already: a service that is away for a moment changes nothing of it
      return;
    }
    say(panel, "The model's card is missing.", error.message, { label: "Try again", run: retry });
    throw error;
  }
}

/** The version, and while two are compared, both with their shares. */
function servedInWords({ version, comparison }) {
  if (!comparison) return version;
  const { champion, challenger } = comparison;
  const first = `${champion.version} answers ${percent(champion.share)} of the users`;
  return `Two models are compared: ${first}, ${challenger.version} ${percent(challenger.share)}.`;
}

function draw({ device, sample_data, card }) {
  const parts = [...document.importNode(by("card-template").content, true).children];
  const [facts, measures, curves] = parts;
  const { data } = card;
  addFacts(facts, [
    ["Model", card.preliminary ? `${card.model} (preliminary)` : card.model],
    ["Trained", DAY.format(new Date(card.created_at))],
    ["Data", sample_data ? `${data.name} (made up)` : data.name],
    [card.held_out ? "Ratings" : "Likes", data.ratings.toLocaleString("en")],
    ["Users", data.users.toLocaleString("en")],
    ["Movies", data.movies.toLocaleString("en")],
    ["Served on", device === "cuda" ? "GPU" : device.toUpperCase()],
  ]);
  measures.append(...measured(card));
  curves.append(...learned(card));
  return parts;
}

/** What the numbers say, in plain words. */
function inWords({ data, held_out, held_out_lists }) {
  const kind = held_out ? "ratings" : "likes";
  const sentences = [`It has learned from ${data.ratings.toLocaleString("en")} ${kind} by ${data.users.toLocaleString("en")} people.`];
  if (held_out) {
    const mean = held_out.baselines["movie-mean"];
    const beside = mean ? `, where each movie's own mean is off by ${mean.rmse.toFixed(2)}` : "";
    sentences.push(`For people whom it had never seen, its stars are off by about ${held_out.rmse.toFixed(2)}${beside}.`);
  }
  const popular = held_out_lists?.baselines.popularity?.ndcg_at_10;
  if (popular) {
    const times = (held_out_lists.ndcg_at_10 / popular).toFixed(1);
    sentences.push(`Its lists are ${times} times as good as the list of the most popular movies.`);
  }
  return sentences.join(" ");
}

function addFacts(list, facts) {
  for (const [name, value] of facts) {
    const pair = node("div");
    pair.append(node("dt", "", name), node("dd", "", value));
    list.append(pair);
  }
}

function measured({ model, held_out, held_out_lists }) {
  const figures = [];
  if (held_out_lists) {
    figures.push(measure({
      title: "Quality of the lists",
      note: `NDCG@10 for ${held_out_lists.n_users.toLocaleString("en")} users held out of training; more is better`,
      decimals: 3,
      from: 0,
      rows: rowsOf(model, held_out_lists, "ndcg_at_10", (one, other) => other.value - one.value),
    }));
  }
  if (held_out) {
    figures.push(measure({
      title: "Error of the predicted stars",
      note: `RMSE on ${held_out.n_test.toLocaleString("en")} ratings by users held out of training; less is better`,
      decimals: 3,
      rows: rowsOf(model, held_out, "rmse", (one, other) => one.value - other.value),
    }));
  }
  return figures;
}

/** The model beside its baselines, best first. */
function rowsOf(model, evaluation, name, order) {
  const others = Object.entries(evaluation.baselines).map(([key, score]) => ({
    name: BASELINES[key] ?? key, value: score[name], ours: false,
  })); // prettier-ignore
  return [{ name: model, value: evaluation[name], ours: true }, ...others].sort(order);
}

/** The models that were served, as dots by the quality of their lists; nothing while there was only one. */
function served({ history }) {
  const measured = history.filter((champion) => champion.ndcg_at_10 !== null).slice(0, MOST_SERVED).reverse();
  if (measured.length < 2) return [];
  return [measure({
    title: "Models served so far",
    note: "NDCG@10 of each, measured when it was trained; the latest is last",
    decimals: 3,
    from: 0,
    rows: measured.map((champion) => ({
      name: DAY.format(new Date(champion.served_from)), value: champion.ndcg_at_10, ours: champion.served_until === null,
    })),
  })];
}

function learned({ held_out, held_out_lists }) {
  const lists = points(held_out_lists?.learning_curve, "validation_ndcg");
  const stars = points(held_out?.learning_curve, "validation_rmse");
  const curves = [];
  if (lists.length) {
    curves.push(curve({
      title: "Learning which movie comes next", note: "on validation", measure: "NDCG@10", points: lists, kept: "last",
    })); // prettier-ignore
  }
  if (stars.length) {
    curves.push(curve({
      title: "Learning the stars", note: "on validation", measure: "RMSE in stars", points: stars, kept: "least",
    })); // prettier-ignore
  }
  return curves;
}

const points = (epochs = [], name) =>
  epochs.filter((epoch) => epoch[name] !== null && epoch[name] !== undefined).map((epoch) => ({ x: epoch.number, y: epoch[name] }));
