/** A page of numbers and charts, with nothing from outside. @module */

import type { HealthCheck, HealthReport } from "./report.ts";
import { escape, lineChart, shown, stackedBar } from "./charts.ts";
import { PAGE_SCRIPT, PAGE_STYLE, REFRESH_SECONDS } from "./page_style.ts";
import {
  type Load,
  type RecordedError,
  type Recorder,
  type Slot,
  SLOT_MS,
  type Track,
} from "./recorder.ts";

/** Counts by the names of the parts, as `/stats` has them. */
export type PageStats = Readonly<Record<string, object>>;

/** What the page shows. */
export interface PageContent {
  readonly report: HealthReport;
  readonly stats: PageStats;
  /** What has happened; absent if nobody remembers. */
  readonly recorder: Recorder | undefined;
  /** Whose ledger is shown, if the reader has chosen. */
  readonly chosen: string | undefined;
}

/** Counts that are shown above the others, by what they are called there. */
const TILES: Readonly<Record<string, string>> = {
  active: "in hand",
  pending: "pending calls",
  waiting: "waiting calls",
  busy: "busy workers",
  idle: "idle workers",
  backlog: "backlog",
  succeeded: "succeeded",
  done: "done",
  failed: "failed",
  crashes: "crashes",
  parked: "parked",
};

/** Counts of what a part has in hand. */
const BUSY = ["active", "pending", "busy"];

/** Counts of what waits for a place. */
const WAITING = ["backlog", "waiting"];

/**
 * What a browser may load for the page: its own script and its style are in it, and it asks the same
 * place again.
 */
export function pagePolicy(nonce: string): string {
  return `default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'; ` +
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
}

/** Writes the page. */
export function renderPage(content: PageContent, nonce: string): string {
  const { live, ready } = content.report;
  const title = !live ? "not live" : ready ? "ready" : "not ready";
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="${REFRESH_SECONDS}"></noscript>
<title>${title}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<p id="stale" class="fail" role="alert" hidden>No answer: what is here is not new.</p>
<div id="live">
<h1>${title}</h1>
${renderParts(content)}
${content.recorder === undefined ? "" : renderHistory(content.recorder)}
</div>
<div id="choice">${renderChoice(content)}</div>
<div id="ledger">${renderLedger(content)}</div>
</main>
<script nonce="${nonce}">${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

/** What a part has in hand, and what waits for it. */
export function loadOf(stats: object): Load | undefined {
  const counts = new Map<string, unknown>(Object.entries(stats));
  const sum = (names: readonly string[]) => {
    return names.reduce((sum, name) => sum + (Number(counts.get(name)) || 0), 0);
  };
  const isLoaded = BUSY.some((name) => counts.has(name));
  return isLoaded ? { busy: sum(BUSY), waiting: sum(WAITING) } : undefined;
}

function renderParts({ report, stats }: PageContent): string {
  return report.checks.map((check) => renderPart(check, stats[check.name] ?? {})).join("\n");
}

function renderPart({ name, status, since, detail }: HealthCheck, stats: object): string {
  const counts = countsOf(stats);
  const tiles = counts.filter(([label]) => Object.hasOwn(TILES, label)).map(([label, value]) =>
    `<div><dd>${value}</dd><dt>${TILES[label]}</dt></div>`
  );
  const rows = counts.map(([label, value]) =>
    `<tr><th scope="row">${escape(label)}</th><td>${escape(value)}</td></tr>`
  );
  return `<section aria-label="${escape(name)}">
<h2>${escape(name)} <span class="status ${status}">${status}</span></h2>
<p>${escape(detail)}, since <time datetime="${since.toISOString()}">${momentOf(since)}</time></p>
<dl class="tiles">${tiles.join("")}</dl>
<details id="counts-${escape(name)}"><summary>All counts</summary>
<table>${rows.join("")}</table></details>
</section>`;
}

function renderHistory(recorder: Recorder): string {
  const charts = [
    ...[...recorder.tracks].flatMap(([name, track]) => trackCharts(name, track)),
    ...[...recorder.loads].map(([name, loads]) => loadChart(name, loads)),
  ];
  return `<section aria-label="Ten minutes">
<h2>The last ten minutes</h2>
${charts.length === 0 ? "<p>Nothing has happened yet.</p>" : ""}
<div class="charts">${charts.join("\n")}</div>
</section>
<section aria-label="Errors">
<h2>Errors of the last ten minutes</h2>
${renderCodes(recorder.codes())}
${renderErrors(recorder.errors)}
</section>`;
}

function trackCharts(name: string, track: Track): string[] {
  const slots = track.slots();
  const last = slots.length - 1;
  const before = slots[last - 1];
  // The last one is not over yet: it is taken together with the one before.
  const lastMs = before === undefined
    ? Math.max(1_000, track.elapsedMs)
    : SLOT_MS + track.elapsedMs;
  const perSecond = (countOf: (slot: Slot) => number) => {
    const counts = slots.map((slot) => slot === undefined ? 0 : countOf(slot));
    return counts.map((count, index) => {
      if (index < last) return count / SLOT_MS * 1_000;
      return (count + (counts[last - 1] ?? 0)) / lastMs * 1_000;
    });
  };
  return [
    lineChart({
      title: name,
      unit: "per second",
      series: [
        { name: "all", values: perSecond(({ count }) => count) },
        { name: "failed", values: perSecond(({ failed }) => failed) },
      ],
    }),
    lineChart({
      title: `${name}: how long`,
      unit: "ms",
      series: [
        { name: "p50", values: slots.map((slot) => slot?.durations.quantile(0.5) ?? 0) },
        { name: "p99", values: slots.map((slot) => slot?.durations.quantile(0.99) ?? 0) },
      ],
    }),
  ];
}

function loadChart(name: string, loads: readonly (Load | undefined)[]): string {
  return lineChart({
    title: `${name}: load`,
    unit: "at a time",
    series: [
      { name: "in hand", values: loads.map((load) => load?.busy ?? 0) },
      { name: "waiting", values: loads.map((load) => load?.waiting ?? 0) },
    ],
  });
}

/** All procedures that have a ledger, by what they are called in the address of the page. */
function ledgersOf(recorder: Recorder) {
  return new Map([...recorder.tracks].flatMap(([name, track]) => {
    return [...track.ledgers()].map(([procedure, ledger]) => {
      return [`${name}: ${procedure}`, ledger] as const;
    });
  }));
}

/** It stands apart from what is replaced again and again: somebody may be using it. */
function renderChoice({ recorder, chosen }: PageContent): string {
  if (recorder === undefined) return "";
  const options = [...ledgersOf(recorder).keys()].sort().map((name) =>
    `<option${name === chosen ? " selected" : ""}>${escape(name)}</option>`
  );
  if (options.length === 0) return "";
  return `<form>
<label>Where the time goes in <select name="procedure">${options.join("")}</select></label>
<button>Show</button>
</form>`;
}

function renderLedger({ recorder, chosen }: PageContent): string {
  const ledgers = recorder === undefined ? new Map() : ledgersOf(recorder);
  const name = chosen !== undefined && ledgers.has(chosen) ? chosen : [...ledgers.keys()].sort()[0];
  const ledger = name === undefined ? undefined : ledgers.get(name);
  if (name === undefined || ledger === undefined) return "";
  const parts = Object.entries<number>(ledger.means);
  const rows = parts.map(([part, ms], index) =>
    `<tr><th scope="row"><i class="p${index}"></i> ${escape(part)}</th><td>${shown(ms)}</td></tr>`
  );
  return `<section aria-label="Ledger">
<h2>Where the time goes</h2>
<p>${escape(name)}, means of ${ledger.count} in ms</p>
${stackedBar(name, parts)}
<table>${rows.join("")}</table>
</section>`;
}

function renderCodes(codes: readonly (readonly [code: string, count: number])[]): string {
  if (codes.length === 0) return "<p>None.</p>";
  const rows = codes.map(([code, count]) =>
    `<tr><th scope="row">${escape(code)}</th><td>${count}</td></tr>`
  );
  return `<table id="codes">${rows.join("")}</table>`;
}

function renderErrors(errors: readonly RecordedError[]): string {
  if (errors.length === 0) return "";
  const rows = errors.map(({ at, track, procedure, status, place }) => {
    const cells = [status, place, `${track}: ${procedure}`].map((text) =>
      `<td>${escape(text)}</td>`
    );
    const time = `<time datetime="${at.toISOString()}">${momentOf(at).slice(11)}</time>`;
    return `<tr><td>${time}</td>${cells.join("")}</tr>`;
  });
  return `<h2>The latest errors</h2>
<div class="scroll" id="scroll" tabindex="0" role="region" aria-label="The latest errors"><table id="errors">
<thead><tr><th>When</th><th>Code</th><th>Place</th><th>Call</th></tr></thead>
${rows.join("")}</table></div>`;
}

/** A moment in UTC, to the second. */
function momentOf(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Numbers and texts, those of parts by their path, such as `runMs.p99`. */
function countsOf(stats: object, prefix = ""): [label: string, value: string][] {
  return Object.entries(stats).flatMap(([name, value]: [string, unknown]) => {
    const label = `${prefix}${name}`;
    if (typeof value === "number") return [[label, String(Math.round(value * 1_000) / 1_000)]];
    if (typeof value === "object" && value !== null && !(value instanceof Date)) {
      return countsOf(value, `${label}.`);
    }
    return [];
  });
}
