/** What a client process is told on its command line. @module */

import { parseArgs } from "../../deps/std_cli.ts";

/** Settings of a client process. */
export interface ClientSettings {
  readonly url: string;
  readonly queue: string;
  /** What it shall do. */
  readonly mode: "call" | "notify";
  /** How many calls; 0 is until it is asked to end. */
  readonly count: number;
  /** How many at a time. */
  readonly lanes: number;
}

/** Writes settings as arguments. */
export function toArgs(settings: ClientSettings): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}

/** Reads the settings from the arguments of this process. */
export function readSettings(): ClientSettings {
  const names = ["url", "queue", "mode", "count", "lanes"] as const;
  const args = parseArgs(Deno.args, { string: names });
  const { url = "", queue = "", mode, count, lanes } = args;
  if (mode !== "call" && mode !== "notify") throw new TypeError(`Cannot run as --mode is ${mode}`);
  return { url, queue, mode, count: Number(count), lanes: Number(lanes) };
}
