/**
 * `deno task bench:simulation`: measures what a call costs, checks the simulation against 1, 2, 4 and 8
 * servers, and carries it to fleets. See docs/scaling.md.
 *
 * @module
 */

import { keepResults } from "../tools/measuring/kept_results.ts";
import { parseArgs } from "../deps/std_cli.ts";
import { say } from "../tools/tasks/say.ts";
import { checkArguments } from "./arguments.ts";
import { machine, readLoad, versions } from "./rivals/environment.ts";
import { carryCrowds, carryFleets } from "./simulation/carried.ts";
import { check, measureCosts } from "./simulation/measure.ts";
import {
  deviation,
  figures,
  PAGE,
  RESULTS_FILE,
  type SimulationResults,
  withFigures,
} from "./simulation/published.ts";

const USAGE = `
Usage: deno task bench:simulation [options]

  --quick   a tenth of the calls and of the time, to see that all of it runs
  --write   keeps what was found in bench/simulation/results.json, and puts it into docs/scaling.md

Needs Linux, and a broker on this machine that is a process of the same user. Ends with 1 if the
simulation is off by more than 15 %.
`;

/** How far the simulation may be off. */
const MAX_DEVIATION = 0.15;

if (import.meta.main) {
  checkArguments(USAGE);
  const url = Deno.env.get("AMQP_URL");
  if (url === undefined) {
    throw new Error("Cannot measure without a broker: run `deno task bench:simulation`");
  }
  const { quick, write } = parseArgs(Deno.args, { boolean: ["quick", "write"] });
  const results = await find(url, quick ? 0.1 : 1);
  console.log(figures(results));
  if (write) {
    await keepResults(RESULTS_FILE, results);
    await Deno.writeTextFile(PAGE, withFigures(await Deno.readTextFile(PAGE), results));
  }
  const off = results.checks.filter((one) => deviation(one) > MAX_DEVIATION);
  for (const { servers } of off) {
    say(`The simulation is off by more than 15 % for ${servers} servers`);
  }
  if (off.length > 0) Deno.exitCode = 1;
}

async function find(url: string, share: number): Promise<SimulationResults> {
  const options = { url, share, say };
  const before = readLoad();
  const measured = await measureCosts(options);
  const checks = [];
  for (const servers of [1, 2, 4, 8]) checks.push(await check(servers, measured, options));
  const git = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] });
  return {
    run: {
      at: new Date().toISOString().slice(0, 16),
      command: ["deno task bench:simulation", ...Deno.args].join(" "),
      commit: new TextDecoder().decode((await git.output()).stdout).trim(),
    },
    machine: machine(),
    versions: await versions(url),
    load: [before, readLoad()],
    measured,
    checks,
    fleets: carryFleets(measured),
    crowds: carryCrowds(measured),
  };
}
