/** What the simulation says of fleets that nobody here can measure. @module */

import type { Measured } from "./measure.ts";
import { PREFETCH } from "./measure.ts";
import { type RpcOutcome, simulate } from "./rpc_system.ts";

/** A fleet, and what it carries. */
export interface Carried {
  readonly servers: number;
  readonly queues: number;
  readonly brokerCores: number;
  /** Calls a second. */
  readonly perSecond: number;
  /** What holds up the rest, and how busy it is. */
  readonly limit: "workers" | "broker" | "servers";
  readonly busy: number;
}

/** Many clients that do little. */
export interface Crowd {
  readonly clients: number;
  readonly perSecond: number;
  /** Median and 99th percentile of a call, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** How busy the queue's process is. */
  readonly queueBusy: number;
  /** Cores of the broker that the clients take without calling. */
  readonly idleCores: number;
  /** Memory of the broker for them, in bytes. */
  readonly idleBytes: number;
}

/** Cores of a large machine. */
const CORES = 16;
const NODES = 5;

const FLEETS: readonly Pick<Carried, "servers" | "queues" | "brokerCores">[] = [
  ...[1, 10, 100, 1_000].map((servers) => ({ servers, queues: 1, brokerCores: CORES })),
  { servers: 1_000, queues: CORES, brokerCores: CORES },
  { servers: 1_000, queues: CORES * NODES, brokerCores: CORES * NODES },
];

const CROWDS = [1_000, 10_000, 100_000];
/** Each client calls once in ten seconds. */
const CALLS_PER_CLIENT = 0.1;

/** Simulates fleets whose clients always have more calls than there are workers. */
export function carryFleets({ costs, taskMs }: Measured): Carried[] {
  return FLEETS.map((fleet) => {
    const load = { inFlight: 1.5 * fleet.servers * PREFETCH };
    // One queue needs its time to have seen all calls; many queues have many more of them.
    const forMs = fleet.queues > 1 ? 1_000 : 10_000;
    const outcome = simulate({ ...fleet, costs, taskMs, prefetch: PREFETCH, load, forMs });
    return { ...fleet, perSecond: outcome.perSecond, ...busiest(outcome) };
  });
}

/** Simulates clients that call now and then, of 1,000 servers on one queue. */
export function carryCrowds({ costs, taskMs, idle }: Measured): Crowd[] {
  return CROWDS.map((clients) => {
    const load = { perSecond: clients * CALLS_PER_CLIENT, clients };
    const fleet = { servers: 1_000, queues: 1, brokerCores: CORES, prefetch: PREFETCH };
    const outcome = simulate({ ...fleet, costs, taskMs, load, forMs: 5_000 });
    return {
      clients,
      perSecond: load.perSecond,
      p50: outcome.p50,
      p99: outcome.p99,
      queueBusy: outcome.busy.broker,
      idleCores: clients * idle.brokerMsPerSecond / 1_000,
      idleBytes: clients * idle.brokerBytes,
    };
  });
}

function busiest({ busy }: RpcOutcome): Pick<Carried, "limit" | "busy"> {
  const parts = ["workers", "broker", "servers"] as const;
  const limit = parts.reduce((one, other) => busy[other] > busy[one] ? other : one);
  return { limit, busy: busy[limit] };
}
