/**
 * Compares worker pools: `deno run -A bench/pool_bench.ts [rounds] [chart.svg]`.
 *
 * All of them run the same tasks on two workers in one process, in turns, so that whatever else
 * the machine does hits each alike. Printed are medians over the rounds.
 *
 * @module
 */

import { callInTurn, callsPerSecond } from "./measure.ts";
import { barChart, type BarGroup } from "./pool/chart.ts";
import { type Contender, CONTENDERS, type Run } from "./pool/contenders.ts";
import { median } from "./statistics.ts";

interface Scenario {
  readonly title: string;
  /** The higher, the better. */
  measure(run: Run): Promise<number>;
}

const SCENARIOS: readonly Scenario[] = [
  {
    title: "trivial task, 256 in flight: tasks/s",
    measure: (run) =>
      callsPerSecond(() => run("add", { a: 1, b: 2 }), { count: 30_000, inFlight: 256 }),
  },
  {
    title: "trivial task, one at a time: tasks/s",
    measure: async (run) =>
      1_000 / median(await callInTurn(() => run("add", { a: 1, b: 2 }), 3_000)),
  },
  {
    title: "2 ms task, 32 in flight: tasks/s",
    measure: (run) => callsPerSecond(() => run("fib", 27), { count: 600, inFlight: 32 }),
  },
];

if (import.meta.main) {
  const [rounds = "5", chartFile] = Deno.args;
  const groups = await compare(Number(rounds));
  printTable(groups);
  if (chartFile !== undefined) await Deno.writeTextFile(chartFile, barChart(groups));
  // Some pools leave threads behind that keep a process alive.
  Deno.exit(0);
}

async function compare(rounds: number): Promise<BarGroup[]> {
  const open: [string, Contender][] = [];
  for (const [name, start] of Object.entries(CONTENDERS)) open.push([name, await start()]);
  for (const [, { run }] of open) await warmUp(run);
  const groups: BarGroup[] = [];
  for (const { title, measure } of SCENARIOS) {
    const values = new Map(open.map(([name]) => [name, new Array<number>()]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, { run }] of open) values.get(name)?.push(await measure(run));
    }
    groups.push({
      title,
      bars: [...values].map(([label, measured]) => ({ label, value: median(measured) })),
    });
  }
  for (const [, contender] of open) await contender.close();
  return groups;
}

async function warmUp(run: Run): Promise<void> {
  await callsPerSecond(() => run("add", { a: 1, b: 2 }), { count: 2_000, inFlight: 64 });
  await callsPerSecond(() => run("fib", 20), { count: 200, inFlight: 8 });
}

function printTable(groups: readonly BarGroup[]): void {
  for (const { title, bars } of groups) {
    const limit = bars.find(({ label }) => label === "bare postMessage")?.value ?? NaN;
    say(`\n${title}`);
    for (const { label, value } of bars) {
      const share = (value / limit).toFixed(2);
      say(`  ${label.padEnd(22)} ${Math.round(value).toString().padStart(9)}  ${share} of bare`);
    }
  }
}

function say(line: string): void {
  // deno-lint-ignore no-console
  console.log(line);
}
