// Small pictures of numbers: a curve as SVG with a table beside it, and measures as dots on a line.

import { fromTemplate, node } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360;
const HEIGHT = 210;
const BOX = { left: 50, right: 346, top: 28, bottom: 168 };

function svg(name, attributes, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** Round numbers from below the least to above the most, about `count` of them. */
export function ticks(least, most, count = 4) {
  const span = most - least || Math.abs(most) || 1;
  const rough = span / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * unit).find((one) => one >= rough * 0.999);
  const first = Math.floor(least / step + 1e-9);
  const last = Math.ceil(most / step - 1e-9);
  return Array.from({ length: Math.max(2, last - first + 1) }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** A learning curve: points {x, y} by epoch, the kept one marked: the least (`kept` is "least") or the last. */
export function curve({ title, note, measure, points, kept }) {
  const figure = fromTemplate("curve-template");
  figure.querySelector("strong").textContent = title;
  if (points.length === 1) {
    figure.querySelector(".muted").textContent = `${note}, after the only epoch`;
    figure.querySelector("details").replaceWith(node("p", "single-value", `${measure} ${points[0].y.toFixed(4)}`));
    return figure;
  }
  const marked = kept === "last" ? points.at(-1) : points.reduce((one, other) => (other.y < one.y ? other : one));
  const mark = `${kept === "last" ? "last" : "best"} ${marked.y.toFixed(4)}, in epoch ${marked.x}`;
  figure.querySelector(".muted").textContent = `${note}; ${mark}`;
  figure.querySelector("figcaption").after(picture({ title, measure, points, marked, mark }));
  figure.querySelectorAll("th")[1].textContent = measure;
  figure.querySelector("tbody").append(...points.map((point) => {
    const row = node("tr");
    row.append(node("td", "", String(point.x)), node("td", "", point.y.toFixed(4)));
    return row;
  }));
  return figure;
}

function picture({ title, measure, points, marked, mark }) {
  const values = points.map((point) => point.y);
  const levels = ticks(Math.min(...values), Math.max(...values));
  const lastX = points.at(-1).x;
  const firstX = points[0].x;
  const x = (value) => BOX.left + ((value - firstX) / (lastX - firstX || 1)) * (BOX.right - BOX.left);
  const y = (value) => BOX.bottom - ((value - levels[0]) / (levels.at(-1) - levels[0])) * (BOX.bottom - BOX.top);
  const summary = `${title}: ${measure} by epoch, from ${points[0].y.toFixed(4)} in epoch ${firstX} to ` +
    `${points.at(-1).y.toFixed(4)} in epoch ${lastX}; ${mark}.`;
  const image = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary });
  const decimals = Math.min(4, Math.max(0, ...levels.map((level) => (String(level).split(".")[1] ?? "").length)));
  for (const level of levels) {
    image.append(
      svg("line", { class: "grid", x1: BOX.left, x2: BOX.right, y1: y(level), y2: y(level) }),
      svg("text", { class: "tick", x: BOX.left - 8, y: y(level) + 4, "text-anchor": "end" }, level.toFixed(decimals)),
    );
  }
  for (const epoch of epochs(firstX, lastX)) {
    image.append(svg("text", { class: "tick", x: x(epoch), y: BOX.bottom + 17, "text-anchor": "middle" }, String(epoch)));
  }
  image.append(
    svg("text", { class: "axis", x: (BOX.left + BOX.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "epoch"),
    svg("text", { class: "axis", x: 4, y: 12 }, measure),
    svg("polyline", { class: "line", points: points.map((point) => `${x(point.x)},${y(point.y)}`).join(" ") }),
    ...points.map((point) => svg("circle", { class: "point", cx: x(point.x), cy: y(point.y), r: 2.2 })),
    svg("circle", { class: "marked", cx: x(marked.x), cy: y(marked.y), r: 5 }),
  );
  return image;
}

/**
 * Shares over days: series {name, points {day, y, note}}, days as in 2026-11-28, the latest series in the accent's colour;
 * `reference` {name, y} is a line across.
 */
export function timeline({ title, note, measure, series, reference }) {
  const figure = fromTemplate("curve-template");
  figure.querySelector("strong").textContent = title;
  figure.querySelector(".muted").textContent = note;
  const points = series.flatMap(({ name, points }) => points.map((point) => ({ name, ...point })));
  const image = overDays({ title, measure, points, series, reference });
  figure.querySelector("figcaption").after(image);
  figure.querySelector("thead tr").replaceChildren(
    ...["Day", "Model", measure, "Lists"].map((name) => {
      const cell = node("th", "", name);
      cell.scope = "col";
      return cell;
    }),
  );
  figure.querySelector("tbody").append(...points.map(({ day, name, y, lists }) => {
    const row = node("tr");
    row.append(...[day, name, y.toFixed(3), String(lists)].map((text) => node("td", "", text)));
    return row;
  }));
  return figure;
}

function overDays({ title, measure, points, series, reference }) {
  const at = (day) => Date.parse(day) / 86_400_000;
  const inOrder = [...points].sort((one, other) => at(one.day) - at(other.day));
  const [earliest, latest] = [inOrder[0], inOrder.at(-1)];
  const [first, last] = [at(earliest.day), at(latest.day)];
  const values = [0, ...points.map(({ y }) => y), ...(reference ? [reference.y] : [])];
  const levels = ticks(0, Math.max(...values) || 1);
  const x = (day) => (first === last ? (BOX.left + BOX.right) / 2 : BOX.left + ((at(day) - first) / (last - first)) * (BOX.right - BOX.left));
  const y = (value) => BOX.bottom - (value / levels.at(-1)) * (BOX.bottom - BOX.top);
  const across = reference ? `; ${reference.name} ${reference.y.toFixed(3)}` : "";
  const summary = `${title}: ${measure} by day, ${earliest.y.toFixed(3)} on ${earliest.day}, ${latest.y.toFixed(3)} on ${latest.day}${across}.`;
  const image = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary });
  for (const level of levels) {
    image.append(
      svg("line", { class: "grid", x1: BOX.left, x2: BOX.right, y1: y(level), y2: y(level) }),
      svg("text", { class: "tick", x: BOX.left - 8, y: y(level) + 4, "text-anchor": "end" }, String(level)),
    );
  }
  for (const day of new Set([earliest.day, latest.day])) {
    image.append(svg("text", { class: "tick", x: x(day), y: BOX.bottom + 17, "text-anchor": "middle" }, day.slice(5)));
  }
  if (reference) {
    image.append(
      svg("line", { class: "reference", x1: BOX.left, x2: BOX.right, y1: y(reference.y), y2: y(reference.y) }),
      svg("text", { class: "tick", x: BOX.right, y: y(reference.y) - 5, "text-anchor": "end" }, reference.name),
    );
  }
  series.forEach(({ points: own }, number) => {
    const kind = number === series.length - 1 ? "" : " earlier";
    image.append(
      svg("polyline", { class: `line${kind}`, points: own.map(({ day, y: value }) => `${x(day)},${y(value)}`).join(" ") }),
      ...own.map(({ day, y: value }) => svg("circle", { class: `point${kind}`, cx: x(day), cy: y(value), r: 3 })),
    );
  });
  image.append(
    svg("text", { class: "axis", x: (BOX.left + BOX.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "day"),
    svg("text", { class: "axis", x: 4, y: 12 }, measure),
  );
  return image;
}

function epochs(first, last) {
  const step = Math.max(1, Math.ceil((last - first) / 8));
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, at) => first + at * step);
}

/** One measure of several models: rows {name, value, ours}, as dots between the ends of a round scale, which are shown. */
export function measure({ title, note, rows, decimals, from }) {
  const figure = fromTemplate("measure-template");
  figure.querySelector("strong").textContent = title;
  figure.querySelector(".muted").textContent = note;
  const values = rows.map((row) => row.value);
  const levels = ticks(from ?? Math.min(...values), Math.max(...values));
  const [least, most] = [levels[0], levels.at(-1)];
  figure.querySelector("ul").append(...rows.map(({ name, value, ours }) => {
    const row = fromTemplate("measure-row-template");
    row.classList.toggle("ours", ours);
    row.querySelector(".measure-name").textContent = name;
    row.querySelector(".measure-value").textContent = value.toFixed(decimals);
    row.querySelector(".measure-track").style.setProperty("--at", (value - least) / (most - least));
    return row;
  }));
  const scale = fromTemplate("measure-scale-template");
  const ends = scale.querySelectorAll("span");
  ends[0].textContent = least;
  ends[1].textContent = most;
  figure.querySelector("ul").append(scale);
  return figure;
}
