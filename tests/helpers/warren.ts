/** The command line in a process of its own. @module */

import { brokerUrl } from "./broker.ts";
import { type Child, type ChildResult, runChild, startProgram } from "./child.ts";

/** Its module. */
export const WARREN: URL = new URL("../../cli/main.ts", import.meta.url);

/** Runs a command with the broker of the tests, or another. */
export function warren(args: readonly string[], url: string = brokerUrl()): Promise<ChildResult> {
  return runChild(WARREN, { args, flags: ["--no-check"], env: { AMQP_URL: url }, limitMs: 60_000 });
}

/** Starts a command that goes on until it is told to end; its lines are those of stderr, too. */
export function startWarren(args: readonly string[], url: string = brokerUrl()): Child {
  const run = [Deno.execPath(), "run", "--allow-all", "--quiet", "--no-check", WARREN.href];
  // A shell puts both streams together, and makes way for the program.
  return startProgram(["sh", "-c", 'exec "$@" 2>&1', "sh", ...run, ...args], {
    env: { AMQP_URL: url },
  });
}
