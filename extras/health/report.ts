/** Tells how servers, clients and pools are. @module */

import type { RpcState } from "../../options/events.ts";

/** A server or a client. */
export interface MonitoredService {
  /** What it is at. */
  readonly state: RpcState;
  /** Its counts. */
  stats(): object;
}

/** A pool of workers. */
export interface MonitoredPool {
  /** Its counts. */
  stats(): {
    /** Workers that wait for a task. */
    readonly idle: number;
    /** Workers that hold tasks. */
    readonly busy: number;
    /** Workers that are not ready yet. */
    readonly starting: number;
    /** Slots whose worker died, and that wait before they start the next. */
    readonly crashed: number;
  };
}

/**
 * What a program consists of, by names of its own: servers, clients and pools, as they are. One that is
 * `undefined` has not started yet.
 */
export type HealthParts = Readonly<Record<string, MonitoredService | MonitoredPool | undefined>>;

/** How one part is. */
export interface HealthCheck {
  /** The part's name. */
  readonly name: string;
  /** `warn`: it works, but not as it should. */
  readonly status: "pass" | "warn" | "fail";
  /** Since when. */
  readonly since: Date;
  /** What it is at, and why. It may name the broker: not for strangers. */
  readonly detail: string;
}

/** How a program is. */
export interface HealthReport {
  /**
   * Whether it is worth going on: it fails only if nothing but a new start can help, and never
   * because of the broker.
   */
  readonly live: boolean;
  /** Whether all parts do their work now. */
  readonly ready: boolean;
  /** How each part is. */
  readonly checks: readonly HealthCheck[];
}

/** A pool that cannot keep a worker alive for so long is not going to, in milliseconds. */
const HOPELESS_MS = 60_000;

/** Since when parts are as they are that do not say so themselves. */
const known = new WeakMap<object, { readonly detail: string; readonly since: Date }>();

const started = new Date();

/**
 * Tells how the parts of a program are. It asks nobody: it takes microseconds, whatever the workers
 * and the broker do.
 *
 * @param parts The parts.
 * @returns The report of this moment.
 *
 * @example A server and its pool
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { health } from "@warren/rpc/health";
 *
 * const handlers = { ping: () => "pong" };
 * const math = await RpcServer.listen("amqp://127.0.0.1", { queue: "math", handlers });
 * console.log(health({ math }).ready);
 * ```
 */
export function health(parts: HealthParts): HealthReport {
  const all = Object.entries(parts).map(([name, part]) => check(name, part));
  return {
    live: all.every(({ isLive }) => isLive),
    ready: all.length > 0 && all.every(({ status }) => status !== "fail"),
    checks: all.map(({ name, status, since, detail }) => ({ name, status, since, detail })),
  };
}

type Check = HealthCheck & { readonly isLive: boolean };

function check(name: string, part: MonitoredService | MonitoredPool | undefined): Check {
  if (part === undefined) {
    return { name, status: "fail", since: started, detail: "starting", isLive: true };
  }
  return "state" in part ? checkService(name, part.state) : checkPool(name, part);
}

function checkService(name: string, state: RpcState): Check {
  const { name: at, since, reason } = state;
  const detail = reason === undefined ? at : `${at}: ${reason}`;
  const isWorking = at === "serving" || at === "connected";
  // Neither is helped by a program that is taken away or started anew.
  const isHeldUp = at === "blocked" || at === "paused";
  const status = isWorking ? "pass" : isHeldUp ? "warn" : "fail";
  return { name, status, since, detail, isLive: at !== "failed" };
}

function checkPool(name: string, pool: MonitoredPool): Check {
  const { idle, busy, starting, crashed } = pool.stats();
  const isWorking = idle + busy > 0;
  const isHopeless = !isWorking && starting === 0 && crashed > 0;
  const detail = isWorking ? "working" : isHopeless ? "all workers die" : "no worker is ready";
  let last = known.get(pool);
  if (last?.detail !== detail) known.set(pool, last = { detail, since: new Date() });
  const { since } = last;
  const isLive = !isHopeless || Date.now() - since.getTime() <= HOPELESS_MS;
  return { name, status: isWorking ? "pass" : "fail", since, detail, isLive };
}
