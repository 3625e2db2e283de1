/**
 * How long the compiler takes for a service with many procedures, beside oRPC: `deno check` of the
 * contenders in alternating rounds, as the machine may be busy with something else.
 *
 * @module
 */

import { parseArgs } from "../deps/std_cli.ts";
import { checkArguments, readCount } from "./arguments.ts";
import { quantile } from "../tools/measuring/quantile.ts";
import { CONTENDERS } from "./types/contenders.ts";

/** What one check took. */
interface Cost {
  /** Of processor time, which a machine that is busy with something else changes least. */
  readonly seconds: number;
  readonly megabytes: number;
}

const USAGE = `
Usage: deno task bench:types [options]

  --procedures N  procedures of the service (default: 600)
  --rounds N      rounds that count, after one that does not (default: 5)
`;
checkArguments(USAGE);
const args = parseArgs(Deno.args, {
  string: ["procedures", "rounds"],
  default: { procedures: "600", rounds: "5" },
});
const procedures = readCount("procedures", args.procedures);
const rounds = readCount("rounds", args.rounds);

const folder = await Deno.makeTempDir({ prefix: "warren-types-" });
try {
  const costs = new Map(Object.keys(CONTENDERS).map((name) => [name, new Array<Cost>()]));
  // The first round fetches packages, and is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, write] of Object.entries(CONTENDERS)) {
      const cost = await check(name, `${write(procedures)}// ${round}\n`);
      if (round > 0) costs.get(name)?.push(cost);
      console.log(`${round}  ${name.padEnd(26)}${show(cost)}`);
    }
  }
  const [[, rival = []] = []] = costs;
  console.log(`\nThe median of ${rounds} rounds with ${procedures} procedures, beside oRPC:`);
  for (const [name, own] of costs) {
    const median = medianOf(own);
    const { seconds, megabytes } = medianOf(rival);
    const ratios = [median.seconds / seconds, median.megabytes / megabytes].map((ratio) =>
      `${ratio.toFixed(2)} ×`
    );
    console.log(`${name.padEnd(29)}${show(median)}   ${ratios.join("  ")}`);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}

/**
 * Checks a program that no cache knows. Each contender has a file of its own, so that Deno keeps what it
 * has found out about the library: ours is here as sources, which no user checks anew each time.
 */
async function check(name: string, text: string): Promise<Cost> {
  const path = `${folder}/${name.replace(/\W+/g, "_")}.ts`;
  await Deno.writeTextFile(path, text);
  await Deno.writeTextFile(`${folder}/deno.json`, '{ "lock": false }');
  const command = new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--config", `${folder}/deno.json`, path],
    cwd: folder,
    stderr: "inherit",
  });
  const child = command.spawn();
  let last: Cost | undefined;
  const timer = setInterval(() => {
    last = costOf(child.pid) ?? last;
  }, 20);
  const { success } = await child.status;
  clearInterval(timer);
  if (!success) throw new Error("Cannot measure as the program does not compile");
  if (last === undefined) throw new Error("Cannot measure as there is no /proc: Linux has it");
  return last;
}

/** What a process has taken so far; `undefined` if it is gone, or this is not Linux. */
function costOf(pid: number): Cost | undefined {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
    // Fields 14 and 15, after the name in parentheses: in ticks, of which a second has 100 on Linux.
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    if (kilobytes === undefined) return undefined;
    return { seconds: ticks / 100, megabytes: Number(kilobytes) / 1_024 };
  } catch {
    return undefined;
  }
}

function medianOf(costs: readonly Cost[]): Cost {
  return {
    seconds: quantile(costs.map(({ seconds }) => seconds), 0.5),
    megabytes: quantile(costs.map(({ megabytes }) => megabytes), 0.5),
  };
}

function show({ seconds, megabytes }: Cost): string {
  return `${seconds.toFixed(2).padStart(6)} s ${megabytes.toFixed(0).padStart(5)} MB`;
}
