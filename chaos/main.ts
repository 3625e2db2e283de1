/**
 * `deno task chaos`: breaks brokers, networks and servers under load, checks every call in the
 * manner of Jepsen, and judges the figures by the scorecard.
 *
 * @module
 */

import { Interruption } from "../tools/tasks/interruption.ts";
import { findRabbitmq } from "../tools/brokers/rabbitmq_install.ts";
import { provideRabbitmq } from "../tools/brokers/rabbitmq_versions.ts";
import { type ChaosOptions, readCommandLine, USAGE } from "./command_line.ts";
import { shareConnections } from "./clients/shared.ts";
import { environment } from "./environment.ts";
import type { Fault } from "./fault.ts";
import { FAULTS, faultsOf } from "./faults/mod.ts";
import { publish } from "./published.ts";
import { headLines, type Report, rowLines, summaryOf } from "./report.ts";
import { type Row, runFault } from "./run_fault.ts";
import { SharedNode } from "./processes/shared_node.ts";

const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
/** What each row needs on top of its budget, to start a broker and to drain its queue. */
const OVERHEAD_MS = 10_000;

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  const options = tryOptions();
  if (typeof options === "number") return options;
  if (options.broker !== undefined) {
    // All nodes of this run are then of that release.
    Deno.env.set("WARREN_RABBITMQ", (await provideRabbitmq(options.broker)).root);
  }
  if (options.isShared) shareConnections();
  const install = findRabbitmq();
  if (typeof install === "string") {
    console.error(`Cannot run as ${install}: install rabbitmq-server and try again`);
    return EXIT_USAGE;
  }
  using interruption = Interruption.listen();
  const start = performance.now();
  const startedAt = new Date().toISOString();
  const rows: Row[] = [];
  try {
    const faults = chooseFaults(options, install.version);
    for await (const row of runAll(faults, options, interruption.signal)) rows.push(row);
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    console.error(`Interrupted after ${rows.length} rows`);
  }
  const passed = rows.length > 0 && rows.every(({ verdict }) => verdict === "passed");
  const seconds = Math.round((performance.now() - start) / 1_000);
  const { minutes, seed, isShort, isShared } = options;
  const run = { seed, minutes, isShort, isShared, startedAt, seconds, passed };
  const report: Report = { ...run, ...await environment(), rows };
  await Deno.writeTextFile(options.report, `${JSON.stringify(report, undefined, 2)}\n`);
  if (options.isKept && !interruption.signal.aborted) await publish(report);
  console.log(`\n${summaryOf(rows)}, ${seconds} s; see ${options.report}`);
  if (interruption.signal.aborted) return EXIT_INTERRUPTED;
  return passed ? 0 : 1;
}

function tryOptions(): ChaosOptions | number {
  try {
    const ids = [...new Set(FAULTS.map(({ id }) => id))];
    const options = readCommandLine(Deno.args, ids);
    if (options !== "help") return options;
    console.log(USAGE);
    return 0;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
}

function chooseFaults({ only, isShort }: ChaosOptions, version: string): readonly Fault[] {
  const chosen = FAULTS.filter(({ id, isLong = false }) => {
    return only?.includes(id) ?? !(isShort && isLong);
  });
  const known = faultsOf(version);
  for (const { id, since } of chosen.filter((fault) => !known.includes(fault))) {
    console.log(`${id} is left out as it is for RabbitMQ ${since} and later: this is ${version}`);
  }
  return chosen.filter((fault) => known.includes(fault));
}

async function* runAll(
  faults: readonly Fault[],
  { minutes, seed, isShort }: ChaosOptions,
  signal: AbortSignal,
): AsyncGenerator<Row> {
  const shares = faults.reduce((sum, fault) => sum + fault.seconds, 0);
  const shareMs = Math.max(0, minutes * 60_000 - faults.length * OVERHEAD_MS) / shares;
  console.log(`Seed ${seed}, ${isShort ? "short" : `${minutes} minutes in all`}\n`);
  for (const line of headLines()) console.log(line);
  await using node = new SharedNode();
  for (const fault of faults) {
    const budgetMs = isShort ? 0 : fault.seconds * shareMs;
    const row = await runFault(fault, {
      seed: seed ^ hash(fault),
      budgetMs,
      isShort,
      signal,
      node,
    });
    // Nobody knows what state it is in.
    if (row.verdict !== "passed") await node[Symbol.asyncDispose]();
    for (const line of rowLines(row)) console.log(line);
    yield row;
  }
}

/** Another seed for each row, so that rows do not depend on which others run. */
function hash({ id, title }: Fault): number {
  let mixed = 0;
  for (const char of id + title) mixed = Math.imul(mixed, 31) + char.charCodeAt(0) | 0;
  return mixed >>> 0;
}
