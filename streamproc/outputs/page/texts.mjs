// Words, numbers, money, durations and times in English and German.

const WORDS = {
  en: {
    company: "Company", choose: "Choose", team: "Team", role: "View", group: "Group", window: "Window", asView: "as the view has it", language: "Language",
    theme: "Colours", themes: { auto: "as the device", light: "light", dark: "dark" }, quiet: "Quiet", tv: "TV",
    asOf: "As of", loading: "Loading …", stale: "Stale", lost: "no connection", late: "the values are late", fresh: "live", events: "by the events' clock",
    bands: { ok: "on course", warning: "warning", critical: "critical", none: "no longer judged" },
    target: "Target", attainment: "Attained", pace: "Pace", before: "before", n: "n", few: "few", none: "no value",
    withheld: "withheld", withheldWhy: "fewer than {n} people", benchmark: "Reference",
    trends: { rising: "rising", falling: "falling", flat: "steady" },
    tiles: "Key figures", leaders: "Leaderboard", funnel: "From lead to deal", stages: "Pipeline by stage", alerts: "Recent alerts",
    noAlerts: "No alerts.", nothing: "Nothing yet.", won: "Deal won", reached: "Target reached", history: "Course of the last minutes",
    dimensions: { rep: "Reps", team: "Teams", region: "Regions", partner: "Partners" }, now: "now", perDay: "a day", perHour: "an hour", perRep: "a rep", points: "points",
    notShown: "Some groups are not shown: there are too many.", ofStep: "{share} of the step before", close: "Close",
    windows: { "1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", today: "today", week: "this week", month: "this month", quarter: "this quarter", year: "this year", all: "all time" },
  },
  de: {
    company: "Unternehmen", choose: "Auswahl", team: "Team", role: "Sicht", group: "Gruppe", window: "Zeitraum", asView: "wie die Sicht", language: "Sprache",
    theme: "Farben", themes: { auto: "wie das Gerät", light: "hell", dark: "dunkel" }, quiet: "Ruhe", tv: "TV",
    asOf: "Stand", loading: "Lädt …", stale: "Veraltet", lost: "keine Verbindung", late: "die Werte sind verspätet", fresh: "live", events: "nach der Uhr der Ereignisse",
    bands: { ok: "auf Kurs", warning: "Warnung", critical: "kritisch", none: "nicht mehr bewertet" },
    target: "Ziel", attainment: "Erreicht", pace: "Tempo", before: "zuvor", n: "n", few: "wenige", none: "kein Wert",
    withheld: "zurückgehalten", withheldWhy: "weniger als {n} Personen", benchmark: "Richtwert",
    trends: { rising: "steigend", falling: "fallend", flat: "stabil" },
    tiles: "Kennzahlen", leaders: "Rangliste", funnel: "Vom Lead zum Deal", stages: "Pipeline nach Phase", alerts: "Letzte Meldungen",
    noAlerts: "Keine Meldungen.", nothing: "Noch nichts.", won: "Deal gewonnen", reached: "Ziel erreicht", history: "Verlauf der letzten Minuten",
    dimensions: { rep: "Personen", team: "Teams", region: "Regionen", partner: "Partner" }, now: "jetzt", perDay: "je Tag", perHour: "je Stunde", perRep: "je Person", points: "Punkte",
    notShown: "Einige Gruppen fehlen: es sind zu viele.", ofStep: "{share} des Schritts davor", close: "Schließen",
    windows: { "1h": "1 Stunde", "24h": "24 Stunden", "7d": "7 Tage", "30d": "30 Tage", "90d": "90 Tage", today: "heute", week: "diese Woche", month: "dieser Monat", quarter: "dieses Quartal", year: "dieses Jahr", all: "gesamt" },
  },
};

const SIZES = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export class Texts {
  constructor(lang) {
    this.lang = lang === "de" ? "de" : "en";
    this.locale = this.lang === "de" ? "de-DE" : "en-GB";
    this.words = WORDS[this.lang];
    this.formats = new Map();
  }

  pick(thing, name) {
    return thing[this.lang === "de" ? `${name}_de` : `${name}_en`];
  }

  means(kpi) {
    return (this.lang === "de" && kpi.means_de) || kpi.means;
  }

  window(name) {
    return name ? (this.words.windows[name] ?? name) : this.words.now;
  }

  number(value, options = {}) {
    const key = JSON.stringify(options);
    if (!this.formats.has(key)) this.formats.set(key, new Intl.NumberFormat(this.locale, options));
    return this.formats.get(key).format(value);
  }

  share(value, digits = 0) {
    return this.number(value, { style: "percent", maximumFractionDigits: digits });
  }

  change(value) {
    return this.number(value, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });
  }

  // A value in its unit, as the catalogue names it: count, ratio, seconds, points, a currency, or one of them per something.
  amount(value, unit) {
    return [this.figure(value, unit), this.per(unit)].filter(Boolean).join(" ");
  }

  figure(value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "ratio") return this.number(value, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
    if (unit === "seconds") return this.duration(value);
    if (unit === "count") return this.number(value, { maximumFractionDigits: 0 });
    const [base] = unit.split(/_?per_/);
    return /^[a-z]{3}$/.test(base) ? this.money(value, base) : this.number(value, { maximumFractionDigits: 1 });
  }

  per(unit) {
    const { perDay, perHour, perRep, points } = this.words;
    return { day: perDay, hour: perHour, rep: perRep }[unit.split("per_")[1]] ?? (unit === "points" ? points : "");
  }

  money(value, currency) {
    const digits = Math.abs(value) < 100 ? 2 : 0;
    return this.number(value, { style: "currency", currency: currency.toUpperCase(), minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  duration(seconds) {
    const [unit, size] = SIZES.find(([, one]) => Math.abs(seconds) >= one) ?? SIZES.at(-1);
    return this.number(seconds / size, { style: "unit", unit, unitDisplay: unit === "day" ? "long" : "short", maximumFractionDigits: 1 });
  }

  time(iso) {
    const time = new Date(iso);
    const isToday = time.toDateString() === new Date().toDateString();
    const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", ...(isToday ? {} : { day: "numeric", month: "short", year: "numeric" }) };
    return new Intl.DateTimeFormat(this.locale, options).format(time);
  }
}
