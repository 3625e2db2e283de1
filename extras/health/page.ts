/** A page of numbers, without scripts and without anything from outside. @module */

import type { HealthCheck, HealthReport } from "./report.ts";

/** Counts by the names of the parts, as `/stats` has them. */
export type PageStats = Readonly<Record<string, object>>;

/** How often a browser asks again, in seconds. */
const REFRESH_SECONDS = 5;

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 1rem auto; max-width: 60rem; padding: 0 1rem }
section { border-top: 1px solid GrayText; margin-top: 1.5rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .1rem .5rem .1rem 0; text-align: left; vertical-align: top; font-weight: normal }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.status { border: 2px solid; border-radius: .3rem; padding: 0 .4rem }
`;

/** What a browser may load for the page: nothing, and its style is in it. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/** Writes the page. */
export function renderPage({ live, ready, checks }: HealthReport, stats: PageStats): string {
  const title = !live ? "not live" : ready ? "ready" : "not ready";
  const parts = checks.map((check) => renderPart(check, stats[check.name] ?? {}));
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="${REFRESH_SECONDS}">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${parts.join("\n")}
</main>
</body>
</html>
`;
}

function renderPart({ name, status, since, detail }: HealthCheck, stats: object): string {
  const rows = countsOf(stats).map(([label, value]) =>
    `<tr><th scope="row">${escape(label)}</th><td>${escape(value)}</td></tr>`
  );
  return `<section>
<h2>${escape(name)} <span class="status">${status}</span></h2>
<p>${escape(detail)}, since <time>${since.toISOString()}</time></p>
<table>${rows.join("")}</table>
</section>`;
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

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}
