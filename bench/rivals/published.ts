/** What readers see of bench/results.json: tables, the README's part, and charts. @module */

import { keepResults, readResults as readKept } from "../../tools/measuring/kept_results.ts";
import { table, withPart, wrap } from "../../tools/measuring/markdown.ts";
import { barChart, type BarGroup } from "../pool/chart.ts";
import {
  type ContenderResult,
  type Results,
  RESULTS_FILE,
  type ScenarioResult,
} from "./results.ts";

const README = new URL("../../README.md", import.meta.url);
const PAGE = new URL("../../docs/performance.md", import.meta.url);
const IMAGES = new URL("../../docs/images/", import.meta.url);

/** Writes the file, the README's part and the charts. */
export async function publish(results: Results): Promise<void> {
  await keepResults(RESULTS_FILE, results);
  await Deno.writeTextFile(README, withSummary(await Deno.readTextFile(README), results));
  await Deno.writeTextFile(PAGE, withTable(await Deno.readTextFile(PAGE), results));
  for (const [name, svg] of charts(results)) {
    await Deno.writeTextFile(new URL(name, IMAGES), svg);
  }
}

/** Reads what was published last; nothing if there is no such file. */
export async function readResults(): Promise<Results | undefined> {
  return await readKept<Results>(RESULTS_FILE);
}

const UNMEASURED =
  "No run of `deno task bench:rivals` is kept yet, so no figure stands here: it measures on your machine.";

/**
 * Puts the part about performance into the README, between its markers.
 *
 * @throws {Error} If the markers are missing.
 */
export function withSummary(readme: string, results: Results | undefined): string {
  return withPart(readme, { page: "README.md", name: "bench" }, summaryOf(results));
}

/**
 * Puts the table into docs/performance.md, between its markers.
 *
 * @throws {Error} If the markers are missing.
 */
export function withTable(page: string, results: Results | undefined): string {
  const part = results === undefined ? wrap(UNMEASURED) : pagePart(results);
  return withPart(page, { page: "docs/performance.md", name: "bench" }, part);
}

const MORE =
  " [docs/performance.md](docs/performance.md) has the rest, and a command for each question.";

function summaryOf(results: Results | undefined): string {
  if (results === undefined) return wrap(UNMEASURED + MORE);
  return [
    wrap(introOf(results) + MORE),
    "![Throughput of this library and others](docs/images/throughput.svg)",
    wrap(mixedPart(results.scenarios)),
  ].filter((part) => part !== "").join("\n\n");
}

/** A scenario for the terminal. */
export function tableOf(
  { title, unit, rounds, contenders, ratios }: Omit<ScenarioResult, "run">,
): string {
  const rows = contenders.map(({ label, quartiles, also, goal, holds }) => {
    const others = Object.entries(also).map(([name, value]) => `${name} ${value}`);
    return `  ${label.padEnd(46)}${quartiles.join(" / ").padEnd(28)}${others.join(", ")}${
      verdict(goal, holds)
    }`;
  });
  const compared = ratios.map(({ of, to, ratio, low, high, goal, holds }) => {
    return `  ${of} : ${to} = ${ratio} (${low} to ${high})${verdict(goal, holds)}`;
  });
  return [`${title}, ${unit}, ${rounds} rounds`, ...rows, ...compared].join("\n");
}

function verdict(goal: string | undefined, holds: boolean | undefined): string {
  return goal === undefined ? "" : `; must be ${goal}: ${holds ? "holds" : "MISSED"}`;
}

/** Who is in the README's table, and with which scenarios. */
const COLUMNS: readonly (readonly [scenario: string, heading: string])[] = [
  ["one-by-one", "one call after the other"],
  ["hundred", "100 in flight"],
  ["batched", "1,000 in flight"],
];
const NOT_SHOWN = /-again$/;

function shownOf({ scenarios }: Results): readonly ScenarioResult[] {
  return scenarios.filter(({ id }) => COLUMNS.some(([name]) => name === id));
}

function introOf(results: Results): string {
  const { machine, versions, durability } = results;
  const shown = shownOf(results);
  const loads = shown.flatMap(({ run }) => run.load);
  return `Medians of ${Math.min(...shown.map(({ rounds }) => rounds))} alternating rounds on ` +
    `${machine.cores} cores (${machine.cpu}), which clients, servers and the broker share: Deno ` +
    `${versions.deno}, Node ${versions.node}, ${versions.broker}, queues of durability ` +
    `"${durability}", a load average between ${Math.min(...loads)} and ${Math.max(...loads)}. ` +
    "`deno task bench:rivals` measures on your machine.";
}

function pagePart(results: Results): string {
  const shown = shownOf(results);
  const everybody = new Map(shown.flatMap(({ contenders }) => {
    return contenders.map((contender) => [contender.id, contender] as const);
  }));
  const columns = COLUMNS.filter(([id]) => shown.some((scenario) => scenario.id === id));
  const cells = [...everybody.values()].filter(({ id }) => !NOT_SHOWN.test(id)).map((contender) => {
    const { id, label, guarantees, runtime } = contender;
    const name = id.startsWith("warren") ? `**${label}**` : `${label} (${runtime})`;
    return [name, guarantees, ...columns.map(([scenario]) => cellOf(results, scenario, id))];
  });
  return [
    wrap(introOf(results)),
    table(["", "confirmed", ...columns.map(([, heading]) => heading)], cells),
    wrap(mixedPart(results.scenarios)),
    "![Latency of one call after the other](images/latency.svg)",
    "![A short call beside long ones](images/mixed_load.svg)",
  ].filter((part) => part !== "").join("\n\n");
}

function cellOf(results: Results, scenario: string, id: string): string {
  const found = results.scenarios.find((result) => result.id === scenario);
  const contender = found?.contenders.find((one) => one.id === id);
  if (found === undefined || contender === undefined) return "";
  const figure = contender.quartiles[1] ?? NaN;
  return found.unit === "ms"
    ? `${figure.toFixed(2)} ms`
    : `${Math.round(figure).toLocaleString("en")}/s`;
}

/** What becomes of a short call beside long ones, in words. */
function mixedPart(scenarios: readonly ScenarioResult[]): string {
  const found = scenarios.filter(({ id }) => id.startsWith("mixed-"));
  return found.map(({ title, contenders }) => {
    const parts = contenders.map(({ label, quartiles, also }) => {
      const ms = quartiles[1] ?? NaN;
      return `${label} ${also.answered === 0 ? "no answer in 3 s" : `${ms.toFixed(1)} ms`}`;
    });
    return `${title}, p99: ${parts.join("; ")}.`;
  }).join(" ");
}

/** The charts by file name. */
export function charts(results: Results): Map<string, string> {
  const groups = (ids: readonly string[], figure: (contender: ContenderResult) => number) =>
    results.scenarios.filter(({ id }) => ids.includes(id)).map(({ title, unit, contenders }) => ({
      title: `${title}, ${unit}`,
      bars: contenders.filter(({ id }) => !NOT_SHOWN.test(id)).map((contender) => ({
        label: contender.label,
        value: figure(contender),
        isOurs: contender.id.startsWith("warren"),
      })),
    }));
  const median = ({ quartiles }: ContenderResult) => quartiles[1] ?? 0;
  const latency: BarGroup[] = ["p50", "p90", "p99"].flatMap((name) => {
    const found = groups(["one-by-one"], (contender) => {
      return name === "p50" ? median(contender) : contender.also[name] ?? 0;
    });
    return found.map(({ title, bars }) => ({ title: `${title}, ${name}`, bars }));
  });
  const mixed = groups(["mixed-100", "mixed-10000"], median)
    .map(({ title, bars }) => ({ title: `${title}, p99`, bars }));
  return new Map([
    ["throughput.svg", barChart(groups(["hundred", "batched", "computing"], median))],
    ["latency.svg", barChart(latency)],
    ["mixed_load.svg", barChart(mixed)],
  ]);
}
