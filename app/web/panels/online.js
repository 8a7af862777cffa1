// How good the served lists were, beside what was measured on held-out users.

import { api } from "../api.js";
import { timeline } from "../elements/chart.js";
import { by, node, plural } from "../elements/dom.js";
import { percent } from "../elements/movies.js";

/** Show it; where no list was measured, or the measure is missing, the card is all there is. */
export async function showOnline() {
  const section = by("online");
  const [online, model] = await Promise.all([api.online(), api.model()]).catch(() => [null, null]);
  if (!online?.overall.lists) {
    section.replaceChildren();
    return;
  }
  const offline = model.card.held_out_lists;
  const curves = node("div", "curves");
  curves.append(
    chart("Lists with a hit", "list_hit_rate", online, offline && { name: "HR@10, held-out users", y: offline.hr_at_10 }),
    chart("Where in the lists", "ndcg", online, offline && { name: "NDCG@10, held-out users", y: offline.ndcg_at_10 }),
  );
  section.replaceChildren(node("h2", "", "Served lists"), node("p", "muted", inWords(online)), ...compared(online), curves);
}

function inWords({ days, overall, by_model }) {
  const { lists, users, list_hit_rate: hits } = overall;
  const span = hits.low === null ? "" : ` (95% interval ${percent(hits.low)} to ${percent(hits.high)})`;
  const counted = `${plural(lists, "list")} of ${plural(users, "user")} were shown in the last ${days} days.`;
  const models = by_model.length > 1 ? ` They came from ${by_model.length} models; the newest is drawn in colour.` : "";
  return `${counted} In ${percent(hits.value)} of them${span} a movie was opened, liked, listed, watched or rated 4 or more.${models}`;
}

/** What the comparison of two models says, if there is or was one. */
function compared({ comparison }) {
  if (!comparison) return [];
  const { champion, challenger, ended_at, verdict } = comparison;
  const runs = ended_at ? "were" : "are";
  return [node("p", "muted", `${champion.model} and ${challenger.model} ${runs} compared. ${verdict}`)];
}

const MEASURES = { list_hit_rate: "share of lists", ndcg: "NDCG" };

function chart(title, name, { by_day }, reference) {
  const models = [...new Set(by_day.map(({ model }) => model))].sort();
  const series = models.map((model) => ({
    name: model,
    points: by_day.filter((one) => one.model === model).map((one) => ({ day: one.day, y: one[name], lists: one.lists })),
  }));
  return timeline({ title, note: "by the day on which the lists were served", measure: MEASURES[name], series, reference });
}
