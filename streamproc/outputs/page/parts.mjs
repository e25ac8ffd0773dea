// The parts of the page as DOM nodes. Text only ever goes in as text, so names cannot become markup.

import { split } from "./store.mjs";

const SVG = "http://www.w3.org/2000/svg";
const FEW = 10; // with less behind it a value says little
const BEST = 8;
const ALERTS = 6;
const MARKS = { ok: "M3 8.5l3.5 3.5L13 4.5", warning: "M8 2.5L14 13.5H2zM8 6.5v3.5M8 11.6v.6", critical: "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM8 5v4M8 10.6v.6" };

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const mark = (band) => s("svg", { viewBox: "0 0 16 16", class: "mark", "aria-hidden": "true" }, s("path", { d: MARKS[band] }));

export function band(texts, name) {
  return MARKS[name] ? h("span", { class: `band ${name}` }, mark(name), texts.words.bands[name]) : null;
}

export function spark(values, label) {
  if (values.length < 2) return null;
  const low = Math.min(...values);
  const range = Math.max(...values) - low || 1;
  const points = values.map((value, i) => `${((100 * i) / (values.length - 1)).toFixed(1)},${(22 - (20 * (value - low)) / range).toFixed(1)}`);
  const line = s("polyline", { points: points.join(" "), "vector-effect": "non-scaling-stroke" });
  return s("svg", { viewBox: "0 0 100 24", class: "spark", preserveAspectRatio: "none", role: "img", "aria-label": label }, line);
}

// A headline: value, band, target and pace, the window before, course, and how much is behind it.
export function tile(context, headline) {
  const { texts, store, kpis, group } = context;
  const words = texts.words;
  const kpi = { name: headline.kpi, ...kpis[headline.kpi] };
  const window = kpi.windowed ? context.window || headline.window : null;
  const row = store.row(headline.kpi, window, group);
  const head = [h("h3", { title: texts.means(kpi) }, texts.pick(kpi, "title")), h("p", { class: "window" }, texts.window(window))];
  const attributes = { class: "tile", "data-kpi": headline.kpi, "data-window": window ?? "", "data-group": group };
  if (row?.withheld) return h("article", { ...attributes, class: "tile withheld" }, head, withheld(context));
  if (row === undefined || row.value === undefined) {
    return h("article", { ...attributes, class: "tile empty" }, head, h("p", { class: "value" }, "–"), h("p", { class: "line" }, words.none));
  }
  const isFew = kpi.unit !== "count" && (row.n ?? 0) < FEW;
  return h(
    "article",
    { ...attributes, class: `tile ${row.band ?? ""}`, "data-value": row.value },
    head,
    h("p", { class: "value" }, texts.figure(row.value, kpi.unit), h("small", {}, ` ${texts.per(kpi.unit)}`), row.trend ? trend(texts, row, kpi) : null),
    band(texts, row.band),
    spark(store.spark(headline.kpi, window, group), `${texts.pick(kpi, "title")}: ${words.history}`),
    facts(context, row, kpi, window),
    kpi.unit === "count" ? null : h("p", { class: isFew ? "line few" : "line" }, `${words.n} = ${texts.number(row.n ?? 0)}`, isFew ? ` (${words.few})` : ""),
  );
}

function withheld({ texts, minPeople }) {
  const words = texts.words;
  return [h("p", { class: "value" }, words.withheld), h("p", { class: "line" }, words.withheldWhy.replace("{n}", texts.number(minPeople)))];
}

function trend(texts, row, kpi) {
  const isGood = (row.trend === "rising") === (kpi.direction === "up");
  const tone = row.trend === "flat" || kpi.direction === "none" ? "" : isGood ? "good" : "bad";
  const arrow = { rising: "↗", falling: "↘", flat: "→" }[row.trend];
  return h("span", { class: `trend ${tone}` }, h("span", { "aria-hidden": "true" }, `${arrow} `), texts.words.trends[row.trend]);
}

function facts({ texts, store, group }, row, kpi, window) {
  const words = texts.words;
  const pairs = [];
  if (row.target !== undefined) pairs.push([words.target, texts.amount(row.target, kpi.unit)]);
  if (row.attainment !== undefined) pairs.push([words.attainment, texts.share(row.attainment)]);
  if (row.pace !== undefined && row.pace !== row.attainment) pairs.push([words.pace, texts.share(row.pace)]);
  if (row.previous !== undefined) pairs.push([words.before, texts.amount(row.previous, kpi.unit) + (row.change === undefined ? "" : ` (${texts.change(row.change)})`)]);
  if (row.benchmark !== undefined && row.target === undefined) pairs.push([words.benchmark, texts.amount(row.benchmark, kpi.unit)]);
  const [dimension, member] = split(group);
  const team = dimension === "rep" ? store.row(kpi.name, window, `team=${store.people[member]?.[1]}`) : undefined;
  if (["ratio", "seconds"].includes(kpi.unit) && typeof team?.value === "number") pairs.push([words.team, texts.amount(team.value, kpi.unit)]);
  return pairs.length ? h("dl", {}, pairs.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)))) : null;
}

function bar(share, tone = "") {
  const width = Math.max(0, Math.min(100, 100 * share)).toFixed(1);
  return s("svg", { viewBox: "0 0 100 4", class: `bar ${tone}`, preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { width: 100, height: 4, class: "ground" }), s("rect", { width, height: 4 }));
}

function panel(title, subtitle, ...content) {
  return [h("h2", {}, title, subtitle ? h("small", {}, ` ${subtitle}`) : ""), ...content];
}

// Groups of the view's first dimension, by its leading KPI.
export function leaders(context) {
  const { texts, store, kpis, view, group } = context;
  const { kpi, window: own } = view.leader;
  const window = context.window || own;
  const dimension = view.groups[0];
  const whole = split(group)[0] === dimension ? "" : group;
  const all = store.groups(dimension).map((one) => ({ group: one, row: store.row(kpi, window, one) }));
  const known = all.filter(({ group: one, row }) => row && (row.withheld || typeof row.value === "number") && store.isWithin(one, whole));
  const better = kpis[kpi].direction === "down" ? 1 : -1;
  known.sort((a, b) => better * ((a.row.value ?? -Infinity) - (b.row.value ?? -Infinity)));
  const top = Math.max(...known.map(({ row }) => row.value ?? 0), 0) || 1;
  const items = known.slice(0, BEST).map(({ group: one, row }) =>
    h(
      "li",
      { class: one === group ? "chosen" : "", "data-group": one },
      h("a", { href: context.link({ group: one }), "data-key": one }, store.name(one, texts.words.company)),
      h("span", { class: "amount" }, row.withheld ? texts.words.withheld : texts.amount(row.value, kpis[kpi].unit), row.attainment === undefined ? "" : ` · ${texts.share(row.attainment)}`),
      bar(row.withheld ? 0 : row.value / top),
    ),
  );
  const title = `${texts.words.leaders}: ${texts.words.dimensions[dimension] ?? dimension}`;
  const subtitle = `${texts.pick(kpis[kpi], "title")}, ${texts.window(window)}`;
  return panel(title, subtitle, items.length ? h("ol", { class: "ranks" }, items) : h("p", {}, texts.words.nothing));
}

export function funnel(context) {
  const { texts, store, kpis, group, about } = context;
  const window = context.window || about.funnel_window;
  const found = about.funnel.map((name) => ({ kpi: kpis[name], row: store.row(name, window, group) })).filter(({ row }) => row);
  const top = Math.max(...found.map(({ row }) => row.value ?? 0), 0) || 1;
  const items = found.map(({ kpi, row }, i) => {
    const before = found[i - 1]?.row.value;
    const share = before && row.value <= before ? texts.words.ofStep.replace("{share}", texts.share(row.value / before)) : "";
    const amount = row.withheld ? texts.words.withheld : texts.amount(row.value, kpi.unit);
    return h("li", {}, h("span", {}, texts.pick(kpi, "title")), h("span", { class: "amount" }, amount), bar((row.value ?? 0) / top), h("small", {}, share));
  });
  return panel(texts.words.funnel, texts.window(window), items.length ? h("ul", { class: "ranks" }, items) : h("p", {}, texts.words.nothing));
}

// The company's pipeline: it is not kept by stage and another dimension at once.
export function stages(context) {
  const { texts, store, kpis, about } = context;
  const kpi = kpis[about.by_stage];
  const order = (group) => (store.stages.indexOf(split(group)[1]) + 1 || 99);
  const groups = store.groups("deal_stage").sort((a, b) => order(a) - order(b));
  const rows = groups.map((one) => ({ one, row: store.row(about.by_stage, null, one) })).filter(({ row }) => typeof row?.value === "number" && row.value !== 0);
  const top = Math.max(...rows.map(({ row }) => row.value), 0) || 1;
  const items = rows.map(({ one, row }) => h("li", {}, h("span", {}, split(one)[1]), h("span", { class: "amount" }, texts.amount(row.value, kpi.unit)), bar(row.value / top)));
  return panel(texts.words.stages, `${texts.words.company}, ${texts.words.now}`, items.length ? h("ul", { class: "ranks" }, items) : h("p", {}, texts.words.nothing));
}

export function alerts(context) {
  const { texts, store, group } = context;
  const shown = store.alerts.filter((one) => store.isWithin(one.group, group)).slice(-ALERTS).reverse();
  const items = shown.map((one) =>
    h(
      "li",
      {},
      band(texts, one.band) ?? h("span", { class: "band none" }, texts.words.bands.none),
      h("span", {}, `${texts.pick(one, "title")}: ${texts.amount(one.value, one.unit)}`),
      h("small", {}, `${store.name(one.group, texts.words.company)}, ${texts.window(one.window)}, `, h("time", { datetime: one.as_of }, texts.time(one.as_of))),
    ),
  );
  return panel(texts.words.alerts, "", items.length ? h("ul", { class: "told" }, items) : h("p", {}, texts.words.noAlerts));
}

// What is celebrated: a won deal, or a target that was reached.
export function party(context, news) {
  const { texts, store, kpis, about } = context;
  const names = news.groups.map((group) => store.name(group, texts.words.company)).join(", ");
  const star = s("svg", { viewBox: "0 0 16 16", class: "star", "aria-hidden": "true" }, s("path", { d: "M8 1l2.2 4.7 5 .7-3.6 3.6.9 5.1L8 12.6 3.5 15.1l.9-5.1L.8 6.4l5-.7z" }));
  const head = news.type === "deal.won" ? texts.words.won : texts.words.reached;
  const what =
    news.type === "deal.won"
      ? news.amount === undefined ? "" : texts.money(news.amount, news.currency ?? kpis[about.by_stage].unit)
      : `${texts.pick(news, "title")}, ${texts.window(news.window)}: ${texts.amount(news.target, news.unit)}`;
  return h("div", { class: "news", "data-id": news.id }, star, h("p", {}, h("strong", {}, head), what ? ` ${what}` : "", names ? h("span", {}, names) : ""));
}
