/**
 * `deno task bench:rivals`: ours and the rivals in alternating rounds, on one broker, in one run. Each
 * has a server and a client, which are processes of their own.
 *
 * @module
 */

import { parseArgs } from "../deps/std_cli.ts";
import { checkArguments, readCount } from "./arguments.ts";
import { say } from "../tools/tasks/say.ts";
import { ComparisonRun } from "./rivals/comparison.ts";
import { installRivals, machine, readLoad, versions } from "./rivals/environment.ts";
import { publish, readResults, tableOf } from "./rivals/published.ts";
import type { Results, ScenarioResult } from "./rivals/results.ts";
import { SCENARIOS } from "./rivals/scenarios.ts";

const USAGE = `
Usage: deno task bench:rivals [options]

  --rounds N         rounds, in which all take turns (default: 30); scenarios that start processes in
                     each of them have fewer
  --quick            two rounds of a tenth of the calls, to see that all of it runs
  --scenarios A,B    these alone: ${SCENARIOS.map(({ id }) => id).join(", ")}
  --durability KIND  of the queue (default: transient); "durable" is for RabbitMQ from 4.3 on
  --write            keeps the figures in bench/results.json, and draws charts and the table from them;
                     scenarios that were not run keep their figures
`;

if (import.meta.main) {
  checkArguments(USAGE);
  const url = Deno.env.get("AMQP_URL");
  if (url === undefined) {
    throw new Error("Cannot measure without a broker: run `deno task bench:rivals`");
  }
  await compare(url);
}

async function compare(url: string): Promise<void> {
  const { quick, write, ...options } = parseArgs(Deno.args, {
    boolean: ["quick", "write"],
    string: ["rounds", "scenarios", "durability"],
    default: { rounds: "30", scenarios: "", durability: "transient" },
  });
  const rounds = quick ? 2 : readCount("rounds", options.rounds);
  const { durability } = options;
  const run = new ComparisonRun({ url, durability, rounds, share: quick ? 0.1 : 1, say });
  const names = options.scenarios.split(",").filter((name) => name !== "");
  const unknown = names.find((name) => !SCENARIOS.some(({ id }) => id === name));
  if (unknown !== undefined) {
    throw new TypeError(`Cannot measure "${unknown}": see deno task bench:rivals --help`);
  }
  await installRivals();
  const at = new Date().toISOString().slice(0, 16);
  const command = ["deno task bench:rivals", ...Deno.args].join(" ");
  const about = { at, command, commit: await commit() };
  const scenarios: ScenarioResult[] = [];
  for (const scenario of SCENARIOS) {
    if (names.length > 0 && !names.includes(scenario.id)) continue;
    const before = readLoad();
    const found = await run.run(scenario);
    scenarios.push({ ...found, run: { ...about, load: [before, readLoad()] } });
    console.log(tableOf(found));
    if (!write) continue;
    // After each one: what was measured is not lost with the rest of a long run.
    await publish({
      machine: machine(),
      versions: await versions(url),
      durability,
      leftOut: Object.fromEntries(run.leftOut),
      scenarios: withEarlier(scenarios, await readResults()),
    });
  }
}

/** In their order; those that were not run keep what an earlier run has found. */
function withEarlier(
  scenarios: readonly ScenarioResult[],
  earlier: Results | undefined,
): ScenarioResult[] {
  return SCENARIOS.flatMap(({ id }) => {
    const found = scenarios.find((scenario) => scenario.id === id) ??
      earlier?.scenarios.find((scenario) => scenario.id === id);
    return found === undefined ? [] : [found];
  });
}

async function commit(): Promise<string> {
  const git = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] });
  return new TextDecoder().decode((await git.output()).stdout).trim();
}
