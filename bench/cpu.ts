/**
 * `deno task bench:cpu`: the processor time of a call, of client and server process together, for
 * an echo with some calls in flight.
 *
 * Each round starts every variant anew, warms it up, and measures all in turn, in short slices, so
 * that whatever else the machine does hits all. This checkout is there twice: the ratio of the two
 * shows what chance alone does here.
 *
 * @module
 */

import { parseArgs } from "../deps/std_cli.ts";
import { quantile } from "../tools/measuring/quantile.ts";
import { ROOT } from "../tools/tasks/root.ts";
import { say } from "../tools/tasks/say.ts";
import { checkArguments, readCount } from "./arguments.ts";
import { type Ratio, ratioOf } from "./cpu/ratio.ts";
import { CallCost } from "./cpu/call_cost.ts";
import type { Uses, Variant } from "./cpu/variant.ts";

const WARM_UP_CALLS = 4_000;
const SLICES = 6;
const HERE = "here";

const USAGE = `
Usage: deno task bench:cpu [options]

Measures the processor time of a call, and whether something makes it dearer.

  --base FOLDER  compares this checkout with another one
  --uses A,B     compares it with itself where its programs use something: "ledger" has observers on
                 both sides, who are told where the time of each call went; "otel" has spans on both
                 sides, with a sampler that drops them all
  --rounds N     rounds, in which all take turns (default: 30)
  --calls N      calls of each in a round (default: 18000)
  --in-flight N  calls in flight (default: 64)
  --json FILE    writes the figures, those of each round included
`;
checkArguments(USAGE);
const { base, json, uses, ...numbers } = parseArgs(Deno.args, {
  string: ["base", "uses", "rounds", "calls", "in-flight", "json"],
  default: { "rounds": "30", "calls": "18000", "in-flight": "64", "uses": "" },
});
const rounds = readCount("rounds", numbers.rounds);
const calls = readCount("calls", numbers.calls);
const inFlight = readCount("in-flight", numbers["in-flight"]);
const url = Deno.env.get("AMQP_URL");
if (url === undefined) {
  throw new Error("Cannot measure without a broker: run `deno task bench:cpu`");
}

const own = (uses: Uses): Variant => ({ module: `${ROOT.pathname}mod.ts`, uses, inFlight });
const used = uses.split(",").filter((name) => name !== "").map((name) => {
  if (name === "ledger" || name === "otel") return name;
  throw new TypeError(`Cannot measure "${name}": --uses takes ledger and otel`);
});

/** What is measured, by name. */
const variants = new Map<string, Variant>([[HERE, own("nothing")], ["control", own("nothing")]]);
if (base !== undefined) {
  variants.set("base", { ...own("nothing"), module: `${Deno.realPathSync(base)}/mod.ts` });
}
for (const name of used) variants.set(name, own(name));

const measured = new Map<string, number[]>([...variants.keys()].map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  const found = await measureAll(url, rotated([...variants], round));
  for (const [name, microseconds] of found) measured.get(name)?.push(microseconds);
  say(`Round ${round + 1} of ${rounds}: ${lastOfEach()}`);
}
const figures = {
  calls,
  inFlight,
  rounds,
  microsecondsPerCall: Object.fromEntries([...measured].map(([name, values]) => [
    name,
    { quartiles: [0.25, 0.5, 0.75].map((share) => quantile(values, share)), values },
  ])),
  ratios: {
    ...(base !== undefined && { "here : base": ratio(HERE, "base") }),
    ...Object.fromEntries(used.map((name) => [`${name} : here`, ratio(name, HERE)])),
    control: ratio("control", HERE),
  },
};
print();
if (json !== undefined) await Deno.writeTextFile(json, JSON.stringify(figures, undefined, 2));

/** Returns the microseconds of processor time that a call takes, by variant. */
async function measureAll(
  url: string,
  inTurn: readonly (readonly [name: string, variant: Variant])[],
): Promise<Map<string, number>> {
  await using stack = new AsyncDisposableStack();
  const costs = new Map<string, CallCost>();
  for (const [name, variant] of inTurn) {
    const cost = stack.use(await CallCost.open(variant, url));
    await cost.warmUp(WARM_UP_CALLS);
    costs.set(name, cost);
  }
  for (let slice = 0; slice < SLICES; slice++) {
    // Never the same one twice in a row: it would find the caches as it left them.
    for (const cost of costs.values()) await cost.measure(Math.ceil(calls / SLICES));
  }
  return new Map([...costs].map(([name, { microseconds }]) => [name, microseconds]));
}

/** Whoever is first in one round is last in the next. */
function rotated<Item>(items: readonly Item[], round: number): Item[] {
  const first = round % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

function ratio(name: string, other: string): Ratio {
  return ratioOf(measured.get(name) ?? [], measured.get(other) ?? []);
}

function lastOfEach(): string {
  return [...measured].map(([name, values]) => `${name} ${values.at(-1)?.toFixed(1)} µs`).join(
    ", ",
  );
}

function print(): void {
  const row = (cells: readonly string[]) => cells.map((cell) => cell.padStart(14)).join("");
  console.log(
    `Processor time per call in µs, ${rounds} rounds of ${calls} calls, ${inFlight} in flight`,
  );
  console.log(row(["", "quartile", "median", "quartile"]));
  for (const [name, { quartiles }] of Object.entries(figures.microsecondsPerCall)) {
    console.log(row([name, ...quartiles.map((value) => value.toFixed(1))]));
  }
  console.log(row(["", "ratio", "95 % from", "to"]));
  for (const [name, { ratio, low, high }] of Object.entries(figures.ratios)) {
    console.log(row([name, ...[ratio, low, high].map((value) => value.toFixed(4))]));
  }
}
