// The live page: what is looked at is in the address, what is shown comes from the server.

import { Feed, here } from "./feed.mjs";
import { alerts, funnel, h, leaders, party, stages, tile } from "./parts.mjs";
import { Store } from "./store.mjs";
import { Texts } from "./texts.mjs";

const ROTATE_S = 15;
const PARTY_MS = 8000;
const NEWS_MS = 600_000; // what is older is not celebrated
const byId = (id) => document.getElementById(id);

const store = new Store();
let about = null;
let kpis = {};
let texts = new Texts("en");
let rotation = 0;
const drawn = new Map();
const parties = [];
const feed = new Feed(onMessage, drawStatus);

function state() {
  const query = new URLSearchParams(location.search);
  const isTv = query.has("tv");
  const roles = about.views.map((view) => view.role);
  const wanted = query.get("view");
  const start = roles.includes(wanted) ? roles.indexOf(wanted) : Math.max(0, roles.indexOf("head_of_sales"));
  return {
    isTv,
    rotateS: Number(query.get("tv")) || ROTATE_S,
    role: roles[(start + (isTv ? rotation : 0)) % roles.length],
    group: query.get("group") ?? "",
    window: about.windows.includes(query.get("window")) ? query.get("window") : "",
    lang: query.get("lang") ?? (navigator.language.startsWith("de") ? "de" : "en"),
    theme: ["light", "dark"].includes(query.get("theme")) ? query.get("theme") : "auto",
    isQuiet: query.has("quiet"),
  };
}

function link(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null) query.delete(name);
    else query.set(name, value);
  }
  return `?${query}`;
}

function go(changes) {
  history.pushState(null, "", link(changes));
  rotation = 0;
  draw();
}

function context() {
  const now = state();
  const view = about.views.find((one) => one.role === now.role);
  const fits = now.group === "" || view.groups.includes(now.group.split("=")[0]);
  return { ...now, group: fits ? now.group : "", view, about, kpis, texts, store, link, minPeople: about.min_people };
}

function onMessage(kind, message) {
  const news = store.take(kind, message);
  if (!state().isQuiet) parties.push(...news.filter((one) => message.now_ms - Date.parse(one.time) < NEWS_MS));
  draw();
  celebrate();
}

// Replace a part only where what it shows has changed, and keep the focus where it was.
function put(id, nodes) {
  const place = byId(id);
  const made = h("div", {}, nodes);
  if (drawn.get(id) === made.innerHTML) return;
  drawn.set(id, made.innerHTML);
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...made.childNodes);
  if (key !== undefined) [...place.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)?.focus();
}

function draw() {
  if (about === null) return;
  const now = context();
  texts = now.texts = new Texts(now.lang);
  const root = document.documentElement;
  root.lang = texts.lang;
  root.dataset.theme = now.theme;
  root.classList.toggle("tv", now.isTv);
  feed.open(now.role, now.window);
  byId("loading").hidden = store.isFull;
  byId("loading").textContent = texts.words.loading;
  const title = texts.pick(now.view, "title");
  const place = store.name(now.group, texts.words.company);
  document.title = `${title} – ${place}`;
  put("title", [`${title}: ${place}`]);
  put("means", [texts.pick(now.view, "means")]);
  put("choose-title", [texts.words.choose]);
  drawPickers(now);
  drawStatus();
  put("tiles", [h("h2", { id: "tiles-title", class: "hidden" }, texts.words.tiles), ...now.view.headlines.map((one) => tile(now, one))]);
  put("leaders", leaders(now));
  put("funnel", funnel(now));
  put("stages", stages(now));
  put("alerts", alerts(now));
}

function drawStatus() {
  if (about === null) return;
  const words = texts.words;
  const why = store.isFull || feed.heardAt ? feed.stale(store.asOf, about.clock === "wall") : "";
  document.documentElement.classList.toggle("stale", why !== "");
  const asOf = store.asOf ? [`${words.asOf} `, h("time", { datetime: store.asOf }, texts.time(store.asOf))] : [];
  const mood = why ? h("strong", { class: "mood old" }, `${words.stale}: ${words[why]}`) : h("span", { class: "mood" }, about.clock === "wall" ? words.fresh : words.events);
  put("as-of", asOf);
  put("mood", [mood, store.notShown ? ` ${words.notShown}` : ""]); // apart, or screen readers would read out each second
}

function drawPickers(now) {
  const words = texts.words;
  const roles = about.views.map((view) => [view.role, texts.pick(view, "title")]);
  const groups = [...now.view.groups].map((dimension) => [words.dimensions[dimension] ?? dimension, store.groups(dimension).map((group) => [group, store.name(group, words.company)])]);
  if (now.group && !groups.some(([, list]) => list.some(([group]) => group === now.group))) groups.push(["", [[now.group, store.name(now.group, words.company)]]]);
  const windows = [["", words.asView], ...about.windows.map((window) => [window, texts.window(window)])];
  put("pickers", [
    picker("view", words.role, roles, now.role),
    picker("group", words.group, [["", words.company]], now.group, groups),
    picker("window", words.window, windows, now.window),
    picker("lang", words.language, [["en", "English"], ["de", "Deutsch"]], texts.lang),
    picker("theme", words.theme, Object.entries(words.themes), now.theme),
    h("button", { type: "button", name: "quiet", "data-key": "quiet", "aria-pressed": String(now.isQuiet) }, words.quiet),
    h("a", { class: "button", href: link({ tv: String(ROTATE_S) }), "data-key": "tv" }, words.tv),
  ]);
}

function picker(name, label, options, chosen, sections = []) {
  const option = ([value, text]) => h("option", { value, selected: value === chosen }, text);
  const more = sections.filter(([, list]) => list.length).map(([title, list]) => h("optgroup", { label: title || label }, list.map(option)));
  return h("label", {}, label, h("select", { name, "data-key": name }, options.map(option), more));
}

function celebrate() {
  const place = byId("party");
  if (place.firstChild || !parties.length || about === null) return;
  place.replaceChildren(party(context(), parties.shift()));
  parties.splice(0, Math.max(0, parties.length - 3)); // after a burst the latest few
  setTimeout(() => {
    place.replaceChildren();
    celebrate();
  }, PARTY_MS);
}

function rotate() {
  const now = state();
  setTimeout(rotate, 1000 * now.rotateS);
  if (!now.isTv) return;
  rotation += 1;
  draw();
}

byId("pickers").addEventListener("change", (event) => {
  const { name, value } = event.target;
  go(name === "view" ? { view: value, group: "" } : { [name]: value === "auto" ? "" : value });
});
byId("pickers").addEventListener("click", (event) => {
  if (event.target.name === "quiet") go({ quiet: state().isQuiet ? "" : "1" });
});
byId("pickers").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("click", (event) => {
  const to = event.target.closest?.("a[href^='?']");
  if (!to || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(Object.fromEntries([["group", ""], ...new URLSearchParams(to.getAttribute("href"))]));
});
addEventListener("popstate", draw);
byId("choose").open = matchMedia("(min-width: 40rem)").matches; // on a phone the figures come first

async function start() {
  const answer = await fetch(here("catalogue.json"));
  about = await answer.json();
  kpis = about.kpis;
  draw();
  setTimeout(rotate, 1000 * state().rotateS);
}

start().catch((error) => {
  byId("loading").textContent = `${error}`;
  setTimeout(() => location.reload(), 5000);
});
