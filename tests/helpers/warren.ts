/** The command line in a process of its own. @module */

import { brokerUrl } from "./broker.ts";
import { type ChildResult, runChild } from "./child.ts";

/** Its module. */
export const WARREN: URL = new URL("../../cli/main.ts", import.meta.url);

/** Runs a command with the broker of the tests, or another. */
export function warren(args: readonly string[], url: string = brokerUrl()): Promise<ChildResult> {
  return runChild(WARREN, { args, flags: ["--no-check"], env: { AMQP_URL: url }, limitMs: 60_000 });
}
