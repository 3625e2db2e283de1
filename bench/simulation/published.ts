/** What readers see of bench/simulation/results.json: the part of docs/scaling.md about limits. @module */

import { readResults as readKept } from "../../tools/measuring/kept_results.ts";
import { type PagePart, table, withPart, wrap } from "../../tools/measuring/markdown.ts";
import type { Carried, Crowd } from "./carried.ts";
import type { Check, Measured } from "./measure.ts";
import { PREFETCH, TASK_MS } from "./measure.ts";

/** All that a run has found. */
export interface SimulationResults {
  /** When, with which command, from which commit. */
  readonly run: { readonly at: string; readonly command: string; readonly commit: string };
  readonly machine: { readonly cpu: string; readonly cores: number };
  readonly versions: Readonly<Record<string, string>>;
  readonly load: readonly [before: number, after: number];
  readonly measured: Measured;
  readonly checks: readonly Check[];
  readonly fleets: readonly Carried[];
  readonly crowds: readonly Crowd[];
}

/** Where results are kept. */
export const RESULTS_FILE: URL = new URL("./results.json", import.meta.url);
/** The page that shows them. */
export const PAGE: URL = new URL("../../docs/scaling.md", import.meta.url);
const PART: PagePart = { page: "docs/scaling.md", name: "simulation" };

/** Reads what was found last; nothing if there is no such file. */
export async function readResults(): Promise<SimulationResults | undefined> {
  return await readKept<SimulationResults>(RESULTS_FILE);
}

/**
 * Puts the figures into the page, between its markers: nothing if nothing was found yet.
 *
 * @throws {Error} If the markers are missing.
 */
export function withFigures(page: string, results: SimulationResults | undefined): string {
  return withPart(page, PART, results === undefined ? "" : figures(results));
}

/** The figures as Markdown. */
export function figures(results: SimulationResults): string {
  return [costs(results), checks(results), fleets(results), crowds(results)].join("\n\n");
}

/** How far the simulation is off, as a share of what was measured. */
export function deviation({ measured, simulated }: Check): number {
  return Math.abs(simulated - measured) / measured;
}

function costs({ measured, machine, versions, load }: SimulationResults): string {
  const { costs, idle } = measured;
  const ms = (value: number) => `${value.toFixed(3)} ms`;
  const intro = `Measured on ${machine.cores} cores (${machine.cpu}) that all share, with a load ` +
    `average of ${load.join(" to ")}: ${versions.broker}, Deno ${versions.deno}. A call of a few ` +
    "bytes, with its confirms, on a durable queue, costs:";
  const [perBroker, perServer] = [count(1_000 / costs.brokerMs), count(1_000 / costs.serverMs)];
  const items = [
    `the client ${ms(costs.clientMs)} of a core,`,
    `the broker ${ms(costs.brokerMs)}: one core carries ${perBroker} calls/s,`,
    `the server ${ms(costs.serverMs)}: one thread carries ${perServer} calls/s that take no time,`,
    `and ${ms(costs.hopMs)} for each of four ways between programs.`,
  ];
  const idleText = `A client that is connected and calls nothing costs the broker ${
    idle.brokerMsPerSecond.toFixed(3)
  } ms of a core each second, and ${count(idle.brokerBytes / 1_024)} KiB.`;
  return [wrap(intro), items.map((item) => `- ${item}`).join("\n"), wrap(idleText)].join("\n\n");
}

function checks({ checks }: SimulationResults): string {
  const rows = checks.map((check) => [
    String(check.servers),
    `${count(check.measured)}/s`,
    `${count(check.simulated)}/s`,
    `${(deviation(check) * 100).toFixed(1)} %`,
  ]);
  return `Servers with ${PREFETCH} requests in hand, whose tasks sleep for ${TASK_MS} ms:\n\n${
    table(["servers", "measured", "simulated", "off by"], rows)
  }`;
}

const LIMITS: Readonly<Record<Carried["limit"], string>> = {
  workers: "the servers' places",
  broker: "the broker",
  servers: "the servers' threads",
};

function fleets({ fleets }: SimulationResults): string {
  const rows = fleets.map(({ servers, queues, brokerCores, perSecond, limit, busy }) => [
    count(servers),
    String(queues),
    String(brokerCores),
    `${count(perSecond)}/s`,
    `${LIMITS[limit]}, ${Math.round(busy * 100)} % busy`,
  ]);
  const head = ["servers", "queues", "broker's cores", "calls", "what is the limit"];
  return `More of the same servers, simulated, with more calls than they can take:\n\n${
    table(head, rows)
  }`;
}

function crowds({ crowds }: SimulationResults): string {
  const rows = crowds.map((crowd) => [
    count(crowd.clients),
    `${count(crowd.perSecond)}/s`,
    `${crowd.p50.toFixed(1)} ms`,
    `${crowd.p99.toFixed(1)} ms`,
    `${Math.round(crowd.queueBusy * 100)} %`,
    `${crowd.idleCores.toFixed(1)} cores`,
    `${(crowd.idleBytes / 2 ** 30).toFixed(1)} GiB`,
  ]);
  const head = ["clients", "calls", "p50", "p99", "queue busy", "idle clients take", "and"];
  return `Clients that each call once in 10 s, of 1,000 servers on one queue, simulated:\n\n${
    table(head, rows)
  }`;
}

function count(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en");
}
