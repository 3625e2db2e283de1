/**
 * Compares worker pools: `deno run -A bench/pool_bench.ts [rounds] [chart.svg]`.
 *
 * All of them run the same tasks on two workers in one process, in turns, each right after the
 * bare limit, so that whatever else the machine does hits both alike. Printed are the medians over
 * the rounds: of the rate, and of its share of the limit; for single calls the fastest tenth.
 *
 * @module
 */

import { callInTurn, callsPerSecond } from "./measure.ts";
import { barChart, type BarGroup } from "./pool/chart.ts";
import { type Contender, CONTENDERS, type Run } from "./pool/contenders.ts";
import { median, quantile } from "../tools/measuring/quantile.ts";

const LIMIT = "bare postMessage";
const OURS = "warren threads";

/** One scenario, measured. */
interface Result extends BarGroup {
  readonly bars: readonly Bar[];
}

interface Bar {
  readonly label: string;
  readonly value: number;
  /** Of the limit. */
  readonly share: number;
}

interface Scenario {
  readonly title: string;
  /** How often it is measured in each round. */
  readonly repeats: number;
  /** Makes one rate, and its share of the limit's, of all. */
  sumUp(rates: readonly number[], limits: readonly number[]): Pick<Bar, "value" | "share">;
  /** The higher, the better. */
  measure(run: Run): Promise<number>;
  /** What must hold. */
  judge(result: Result): string;
}

const SCENARIOS: readonly Scenario[] = [
  {
    title: "trivial task, 256 in flight: tasks/s",
    repeats: 1,
    sumUp: byMedian,
    measure: (run) =>
      callsPerSecond(() => run("add", { a: 1, b: 2 }), { count: 20_000, inFlight: 256 }),
    judge: ({ bars }) => {
      const fastest = Math.max(...bars.filter(isLibrary).map(({ value }) => value));
      return verdict("rate, ours : fastest library's", ours(bars).value / fastest, 3);
    },
  },
  {
    title: "trivial task, one at a time: tasks/s",
    repeats: 30,
    sumUp: byFastest,
    measure: async (run) => 1_000 / median(await callInTurn(() => run("add", { a: 1, b: 2 }), 100)),
    judge: ({ bars }) => verdict("round trip, bare : ours", ours(bars).share, 1 / 1.3),
  },
  {
    title: "2 ms task, 32 in flight: tasks/s",
    repeats: 1,
    sumUp: byMedian,
    measure: (run) => callsPerSecond(() => run("fib", 27), { count: 250, inFlight: 32 }),
    judge: ({ bars }) => verdict("rate, ours : bare", ours(bars).share, 0.97),
  },
];

if (import.meta.main) {
  const [rounds = "7", chartFile] = Deno.args;
  const groups = await compare(Number(rounds));
  printTable(groups);
  if (chartFile !== undefined) await Deno.writeTextFile(chartFile, barChart(groups));
  // Some pools leave threads behind that keep a process alive.
  Deno.exit(0);
}

async function compare(rounds: number): Promise<Result[]> {
  const open: [string, Contender][] = [];
  for (const [name, start] of Object.entries(CONTENDERS)) open.push([name, await start()]);
  for (const [, { run }] of open) await warmUp(run);
  const limit = open.find(([name]) => name === LIMIT)?.[1].run;
  if (limit === undefined) throw new Error(`Cannot compare as "${LIMIT}" is missing`);
  const results: Result[] = [];
  for (const { title, repeats, sumUp, measure } of SCENARIOS) {
    const measured = open.map(([label, { run }]) => ({
      label,
      run,
      rates: new Array<number>(),
      limits: new Array<number>(),
    }));
    for (let round = 0; round < rounds * repeats; round++) {
      for (const { run, rates, limits } of measured) {
        const limitRate = await measure(limit);
        const rate = run === limit ? limitRate : await measure(run);
        rates.push(rate);
        limits.push(limitRate);
      }
    }
    const bars = measured.map(({ label, rates, limits }) => ({ label, ...sumUp(rates, limits) }));
    results.push({ title, bars });
  }
  for (const [, contender] of open) await contender.close();
  return results;
}

function byMedian(rates: readonly number[], limits: readonly number[]) {
  const shares = rates.map((rate, round) => rate / (limits[round] ?? NaN));
  return { value: median(rates), share: median(shares) };
}

/**
 * A single call takes twice to four times as long when its way leads over a core that sleeps, and
 * which it is to be Linux decides anew every moment. So compared are the rounds without that, which
 * is the stricter comparison, too: a wake-up is alike for all.
 */
function byFastest(rates: readonly number[], limits: readonly number[]) {
  const value = quantile(rates, 0.9);
  return { value, share: value / quantile(limits, 0.9) };
}

async function warmUp(run: Run): Promise<void> {
  await callsPerSecond(() => run("add", { a: 1, b: 2 }), { count: 2_000, inFlight: 64 });
  await callsPerSecond(() => run("fib", 20), { count: 200, inFlight: 8 });
}

function printTable(results: readonly Result[]): void {
  for (const [index, result] of results.entries()) {
    say(`\n${result.title}`);
    for (const { label, value, share } of result.bars) {
      const rate = Math.round(value).toString().padStart(9);
      say(`  ${label.padEnd(22)} ${rate}  ${share.toFixed(2)} of bare`);
    }
    say(`  ${SCENARIOS[index]?.judge(result)}`);
  }
  say(`\nload average: ${Deno.loadavg().map((load) => load.toFixed(1)).join(", ")}`);
}

function ours(bars: Result["bars"]): Result["bars"][number] {
  const bar = bars.find(({ label }) => label === OURS);
  if (bar === undefined) throw new Error(`Cannot judge as "${OURS}" is missing`);
  return bar;
}

function isLibrary({ label }: Result["bars"][number]): boolean {
  return label !== LIMIT && !label.startsWith("warren");
}

function verdict(what: string, ratio: number, target: number): string {
  const outcome = ratio >= target ? "holds" : "MISSED";
  return `${what} = ${ratio.toFixed(2)}, must be at least ${target.toFixed(2)}: ${outcome}`;
}

function say(line: string): void {
  console.log(line);
}
