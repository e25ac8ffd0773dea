// What the server has told: rows by series, sparklines, alerts, celebrations, people.

const SPARK_POINTS = 60;
const MINUTE = "2026-01-01T00:00".length;
const RECENT = 30;

export const keyOf = (kpi, window, group) => `${kpi}|${window ?? ""}|${group}`;

export class Store {
  constructor() {
    this.clear();
  }

  clear() {
    this.rows = new Map();
    this.sparks = new Map();
    this.alerts = [];
    this.news = [];
    this.people = {};
    this.stages = [];
    this.asOf = null;
    this.notShown = 0;
    this.isFull = false;
  }

  // Take in a message; gives the celebrations in it that are news to this page.
  take(kind, message) {
    const wasFull = this.isFull;
    const known = new Set(this.news.map((one) => one.id));
    if (kind === "snapshot") this.clear();
    this.asOf = message.as_of ?? this.asOf;
    this.notShown = message.not_shown ?? this.notShown;
    this.people = message.people ?? this.people;
    this.stages = message.stages ?? this.stages;
    for (const one of message.sparks ?? []) this.sparks.set(keyOf(one.kpi, one.window, one.group), one.points);
    for (const row of message.rows ?? []) this.put(row);
    for (const [kpi, group, window] of message.gone ?? []) {
      this.rows.delete(keyOf(kpi, window, group));
      this.sparks.delete(keyOf(kpi, window, group));
    }
    this.alerts = merged(this.alerts, message.alerts, "as_of").kept;
    const { kept, added } = merged(this.news, message.news, "time");
    this.news = kept;
    this.isFull = true;
    return wasFull ? added.filter((one) => !known.has(one.id)) : []; // also what came between two views
  }

  put(row) {
    const key = keyOf(row.kpi, row.window, row.group);
    this.rows.set(key, row);
    if (row.withheld) this.sparks.delete(key);
    if (typeof row.value !== "number") return;
    const points = this.sparks.get(key) ?? [];
    const minute = row.at.slice(0, MINUTE);
    if (points.at(-1)?.[0] === minute) points.pop();
    points.push([minute, row.value]);
    this.sparks.set(key, points.slice(-SPARK_POINTS));
  }

  row(kpi, window, group) {
    return this.rows.get(keyOf(kpi, window, group));
  }

  spark(kpi, window, group) {
    return (this.sparks.get(keyOf(kpi, window, group)) ?? []).map(([, value]) => value);
  }

  groups(dimension) {
    const prefix = `${dimension}=`;
    return [...new Set([...this.rows.values()].map((row) => row.group).filter((group) => group.startsWith(prefix)))].sort();
  }

  // A group's name for people.
  name(group, company) {
    const [dimension, member] = split(group);
    return dimension ? (dimension === "rep" && this.people[member]?.[0]) || member : company;
  }

  // Whether a group of reps belongs to another group.
  isWithin(group, whole) {
    if (!whole || group === whole) return true;
    const [dimension, member] = split(group);
    const [of, name] = split(whole);
    if (dimension === "rep") return this.people[member]?.[{ team: 1, region: 2 }[of]] === name;
    if (dimension === "team") return of === "region" && Object.values(this.people).some(([, team, region]) => team === member && region === name);
    return false;
  }
}

export function split(group) {
  const at = group.indexOf("=");
  return at < 0 ? ["", ""] : [group.slice(0, at), group.slice(at + 1)];
}

function merged(kept, more, time) {
  const ids = new Set(kept.map((one) => one.id));
  const added = (more ?? []).filter((one) => !ids.has(one.id));
  const all = [...kept, ...added].sort((a, b) => (a[time] < b[time] ? -1 : 1));
  return { kept: all.slice(-RECENT), added };
}
