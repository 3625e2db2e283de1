/** What a chaos server is told on its command line. @module */

import { parseArgs } from "../../deps/std_cli.ts";

/** The variable that names the file of the executions, which workers cannot be told otherwise. */
export const EXECUTIONS_VARIABLE = "CHAOS_EXECUTIONS";

/** Settings of a server process. */
export interface ServerSettings {
  /** The nodes of the broker. */
  readonly urls: readonly string[];
  readonly queue: string;
  readonly prefetch: number;
  /** Workers of the pool that runs `compute`; with 0 there is no pool. */
  readonly workers: number;
  /** What keeps the pool's tasks apart. */
  readonly isolation: "thread" | "process";
  /** Longest time of a task that loops, in milliseconds; others have no limit. */
  readonly loopLimitMs: number;
  /** Interval of heartbeats, in milliseconds. */
  readonly heartbeatMs: number;
  /** Longest time until one node answers, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest time without a confirm while some are due, in milliseconds. */
  readonly confirmTimeoutMs: number;
  /** Longest time between SIGTERM and the end, in milliseconds. */
  readonly graceMs: number;
  /** Largest input or output, in bytes. */
  readonly maxBodyBytes: number;
}

/** Writes settings as arguments. */
export function toArgs(settings: ServerSettings): string[] {
  const { urls, ...others } = settings;
  return [
    `--urls=${urls.join(",")}`,
    ...Object.entries(others).map(([name, value]) => `--${name}=${value}`),
  ];
}

/** Reads the settings from the arguments of this process. */
export function readSettings(): ServerSettings & { readonly executions: string } {
  const names = [
    "urls",
    "queue",
    "prefetch",
    "workers",
    "isolation",
    "loopLimitMs",
    "heartbeatMs",
    "connectTimeoutMs",
    "confirmTimeoutMs",
    "graceMs",
    "maxBodyBytes",
  ] as const;
  const args = parseArgs(Deno.args, { string: names });
  const text = (name: typeof names[number]) => {
    const value = args[name];
    if (value === undefined) throw new TypeError(`Cannot serve as --${name} is missing`);
    return value;
  };
  return {
    urls: text("urls").split(","),
    queue: text("queue"),
    prefetch: Number(text("prefetch")),
    workers: Number(text("workers")),
    isolation: text("isolation") === "process" ? "process" : "thread",
    loopLimitMs: Number(text("loopLimitMs")),
    heartbeatMs: Number(text("heartbeatMs")),
    connectTimeoutMs: Number(text("connectTimeoutMs")),
    confirmTimeoutMs: Number(text("confirmTimeoutMs")),
    graceMs: Number(text("graceMs")),
    maxBodyBytes: Number(text("maxBodyBytes")),
    executions: Deno.env.get(EXECUTIONS_VARIABLE) ?? "",
  };
}
