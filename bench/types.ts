/**
 * How long the compiler takes for a service with many procedures, beside oRPC: `deno check` of the
 * contenders in alternating rounds, as the machine may be busy with something else. And how long an
 * editor waits for a hover after an edit.
 *
 * @module
 */

import { parseArgs } from "../deps/std_cli.ts";
import { checkArguments, readCount } from "./arguments.ts";
import { median } from "../tools/measuring/quantile.ts";
import { CONTENDERS } from "./types/contenders.ts";
import { Editor } from "./types/editor.ts";

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
  --edits N       edits of each program in an editor (default: 11)
`;

/** What an answer to an editor may take at the median, in seconds. */
const MAX_HOVER_S = 0.5;

checkArguments(USAGE);
const args = parseArgs(Deno.args, {
  string: ["procedures", "rounds", "edits"],
  default: { procedures: "600", rounds: "5", edits: "11" },
});
const procedures = readCount("procedures", args.procedures);
const rounds = readCount("rounds", args.rounds);
const edits = readCount("edits", args.edits);

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
    const cost = medianOf(own);
    const { seconds, megabytes } = medianOf(rival);
    const ratios = [cost.seconds / seconds, cost.megabytes / megabytes].map((ratio) =>
      `${ratio.toFixed(2)} ×`
    );
    console.log(`${name.padEnd(29)}${show(cost)}   ${ratios.join("  ")}`);
  }
  console.log(`\nA hover after each of ${edits} edits in the language server, the median:`);
  for (const name of Object.keys(CONTENDERS)) console.log(await hover(name));
} finally {
  await Deno.remove(folder, { recursive: true });
}

/**
 * Checks a program that no cache knows. Each contender has a file of its own, so that Deno keeps what it
 * has found out about the library: ours is here as sources, which no user checks anew each time.
 */
async function check(name: string, text: string): Promise<Cost> {
  const path = pathOf(name);
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

/** Edits the program of the last round, and says how long the answers took. */
async function hover(name: string): Promise<string> {
  await using editor = await Editor.open(pathOf(name));
  const seconds = new Array<number>();
  while (seconds.length < edits) seconds.push(await editor.editAndHover());
  const middle = median(seconds);
  const verdict = middle <= MAX_HOVER_S ? "holds" : "does not hold";
  const longest = `at most ${Math.max(...seconds).toFixed(2)} s`;
  const figures = `${middle.toFixed(2).padStart(6)} s, ${longest}`;
  return `${name.padEnd(29)}${figures}   ${MAX_HOVER_S} s ${verdict}`;
}

function pathOf(name: string): string {
  return `${folder}/${name.replace(/\W+/g, "_")}.ts`;
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
    seconds: median(costs.map(({ seconds }) => seconds)),
    megabytes: median(costs.map(({ megabytes }) => megabytes)),
  };
}

function show({ seconds, megabytes }: Cost): string {
  return `${seconds.toFixed(2).padStart(6)} s ${megabytes.toFixed(0).padStart(5)} MB`;
}
