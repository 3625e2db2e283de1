/** What `warren doctor` looks for: each check with what was found, what is expected, and what to do. @module */

import type {
  Answer,
  BrokerState,
  QueueState,
  ServerInfo,
  ServerPing,
  ServerStats,
} from "../../extras/control/rpc_control.ts";

/** How bad it is. */
export type Severity = "ok" | "warn" | "fail";

/** What one check has found. */
export interface Finding {
  readonly severity: Severity;
  readonly check: string;
  readonly found: string;
  readonly expected: string;
  /** Empty if nothing is to be done. */
  readonly remedy: string;
}

/** All that is known of a queue and its servers. */
export interface Symptoms {
  readonly broker: BrokerState;
  readonly queue: QueueState | undefined;
  readonly parked: QueueState | undefined;
  /** How long the broker took to answer, in milliseconds. */
  readonly brokerMs: number;
  readonly pings: readonly Answer<ServerPing>[];
  readonly infos: readonly ServerInfo[];
  readonly stats: readonly ServerStats[];
  /** How far the clock of a server is from ours at least, in milliseconds: ahead, if positive. */
  readonly skewMs: number;
  /** Requests that are in hand for as long as brokers may not let them be. */
  readonly longRequests: number;
  /** Why this user may not call, or not all of it works; `undefined` if it does. */
  readonly rights: string | undefined;
}

/** Slower is to be looked at, in milliseconds. */
const SLOW_BROKER_MS = 250;
const SLOW_LOOP_MS = 100;
const LONG_LAG_MS = 5_000;

/** So great a share of requests may fail, of at least so many. */
const MAX_ERROR_SHARE = 0.1;
const MIN_REQUESTS = 10;

/** Makes a finding of whether something is as it should be. */
export function check(
  name: string,
  isRight: boolean,
  { severity = "warn", found, expected, remedy }: Partial<Finding>,
): Finding {
  return {
    severity: isRight ? "ok" : severity,
    check: name,
    found: found ?? "",
    expected: expected ?? "",
    remedy: isRight ? "" : remedy ?? "",
  };
}

/** Makes findings of symptoms. */
export function findingsOf(symptoms: Symptoms): Finding[] {
  const { queue } = symptoms;
  const exists = check("queue", queue !== undefined, {
    severity: "fail",
    found: queue === undefined ? "none" : "there",
    expected: "there",
    remedy: "start a server, which declares it",
  });
  const broker = check("broker round trip", symptoms.brokerMs < SLOW_BROKER_MS, {
    found: `${Math.round(symptoms.brokerMs)} ms`,
    expected: `less than ${SLOW_BROKER_MS} ms`,
    remedy: "look at the network, and at the broker's load and alarms",
  });
  if (queue === undefined) return [broker, exists];
  return [broker, exists, ...ofQueue(symptoms, queue), ...ofServers(symptoms), ...ofWork(symptoms)];
}

function ofQueue({ parked, pings, stats }: Symptoms, { ready, consumers }: QueueState): Finding[] {
  const isFull = stats.length > 0 && stats.every(({ inHand, prefetch }) => inHand >= prefetch);
  const lagMs = Math.max(0, ...stats.map(({ lagMs = 0 }) => lagMs));
  return [
    check("consumers", consumers > 0, {
      severity: "fail",
      found: String(consumers),
      expected: "at least 1",
      remedy: "start a server, or resume those that are paused",
    }),
    check("servers that answer", pings.length >= consumers, {
      found: `${pings.length} for ${consumers} consumers`,
      expected: "one for each consumer",
      remedy: 'others compute on their own thread, are cut off, or have "control" set to "none"',
    }),
    check("backlog", ready === 0 || !isFull, {
      found: `${ready} wait, ${isFull ? "no server has room" : "servers have room"}`,
      expected: "room for those that wait",
      remedy: "start more servers, or more workers",
    }),
    check("lag", lagMs < LONG_LAG_MS, {
      found: `${Math.round(lagMs)} ms`,
      expected: `less than ${LONG_LAG_MS} ms`,
      remedy: "requests wait for long, or clocks differ: start more servers, or set the clocks",
    }),
    check("parked requests", (parked?.ready ?? 0) === 0, {
      found: String(parked?.ready ?? 0),
      expected: "0",
      remedy: "look at them with warren parked ls",
    }),
  ];
}

function ofServers({ infos, stats }: Symptoms): Finding[] {
  const states = stats.filter(({ state }) => state !== "serving").map(({ id, state }) =>
    `${id} ${state}`
  );
  const versions = [...new Set(infos.map(({ version }) => version))];
  const offers = infos.map(({ endpoints }) =>
    endpoints.map(({ name }) => name).toSorted().join(" ")
  );
  return [
    check("servers that serve", states.length === 0, {
      found: states.join(", ") || "all",
      expected: "all",
      remedy: "warren resume has paused ones take requests again",
    }),
    check("versions", versions.length <= 1, {
      found: versions.join(", "),
      expected: "the same everywhere",
      remedy: "finish the upgrade",
    }),
    check("procedures", new Set(offers).size <= 1, {
      severity: "fail",
      found: new Set(offers).size <= 1 ? "the same everywhere" : "servers differ",
      expected: "the same everywhere",
      remedy:
        "give each set of procedures a queue of its own: any server of a queue gets a request",
    }),
  ];
}

function ofWork({ pings, stats }: Symptoms): Finding[] {
  const loopMs = Math.max(0, ...pings.map(({ loopDelayMs }) => loopDelayMs));
  const crashed = stats.flatMap(({ pools }) => pools).reduce((sum, pool) => sum + pool.crashed, 0);
  const failing = stats.flatMap(({ endpoints }) => endpoints).filter((each) =>
    each.numRequests >= MIN_REQUESTS && each.numErrors > each.numRequests * MAX_ERROR_SHARE
  );
  const strangers = stats.flatMap(({ endpoints }) => endpoints).filter(({ name }) =>
    name === "_OTHER"
  );
  return [
    check("unknown procedures", strangers.length === 0, {
      found: strangers.length === 0 ? "none asked for" : "some asked for",
      expected: "none asked for",
      remedy: "callers and servers do not have the same contract",
    }),
    check("server loop", loopMs < SLOW_LOOP_MS, {
      found: `${loopMs} ms`,
      expected: `less than ${SLOW_LOOP_MS} ms`,
      remedy: "handlers compute on the server's own thread: give them a pool",
    }),
    check("workers", crashed === 0, {
      severity: "fail",
      found: `${crashed} crashed`,
      expected: "none crashed",
      remedy: "look at the server's log for why they die",
    }),
    check("errors", failing.length === 0, {
      found: failing.map(({ name }) => name).join(", ") || "few",
      expected: `at most ${MAX_ERROR_SHARE * 100} % of the requests of a procedure`,
      remedy: "look at the server's log",
    }),
  ];
}
