/** What `warren top` knows: the last answers of all servers, and how fast their counts grow. @module */

import type { Answer, RequestReport, ServerStats } from "../../../extras/control/rpc_control.ts";

/** What the broker says of a queue; what it did not say is absent. */
export interface QueueCounts {
  readonly ready?: number;
  readonly consumers?: number;
  readonly parked?: number;
}

/** A look at all servers. */
export interface Sample {
  /** When they were asked, in milliseconds of any clock. */
  readonly at: number;
  readonly servers: readonly Answer<ServerStats>[];
  readonly queues: ReadonlyMap<string, QueueCounts>;
}

/** How much work is done, by the second. */
export interface Rates {
  readonly requests: number;
  readonly errors: number;
}

/** A server, as it answered last. */
export interface TopServer {
  readonly stats: Answer<ServerStats>;
  readonly rates: Rates | undefined;
  /** For how long it has not answered, in milliseconds. */
  readonly silentMs: number;
}

/** A procedure, of all servers of its queue together; its percentiles are those of the slowest server. */
export interface TopProcedure {
  readonly queue: string;
  readonly name: string;
  readonly rates: Rates | undefined;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly inHand: number;
}

/** All that is shown. */
export interface TopView {
  readonly title: string;
  readonly servers: readonly TopServer[];
  readonly queues: ReadonlyMap<string, QueueCounts>;
  readonly procedures: readonly TopProcedure[];
  /** Which server, or which of its requests, keys act on. */
  readonly selected: number;
  /** The server that is looked at closely, if so, and its requests. */
  readonly details: TopDetails | undefined;
  /** A question, or what came of the last one. */
  readonly status: string;
  readonly isHelp: boolean;
}

/** One server, closely. */
export interface TopDetails {
  readonly server: TopServer;
  readonly requests: readonly RequestReport[];
}

/** Who has not answered for so long is taken off the list, in milliseconds. */
const FORGET_MS = 10_000;

interface Seen {
  readonly stats: Answer<ServerStats>;
  readonly at: number;
  readonly rates: Rates | undefined;
  readonly byProcedure: ReadonlyMap<string, Rates>;
}

/** Keeps the last answers. */
export class TopModel {
  readonly #seen = new Map<string, Seen>();
  #queues: ReadonlyMap<string, QueueCounts> = new Map();
  #at = 0;

  /** Takes what was seen. */
  add({ at, servers, queues }: Sample): void {
    this.#at = at;
    this.#queues = queues;
    for (const stats of servers) {
      const key = keyOf(stats);
      this.#seen.set(key, seenOf(stats, at + stats.roundTripMs, this.#seen.get(key)));
    }
    for (const [key, seen] of this.#seen) if (at - seen.at > FORGET_MS) this.#seen.delete(key);
  }

  /** What the broker said last. */
  get queues(): ReadonlyMap<string, QueueCounts> {
    return this.#queues;
  }

  /** All servers, by queue and id. */
  servers(): TopServer[] {
    return [...this.#seen.values()]
      .map(({ stats, at, rates }) => ({ stats, rates, silentMs: Math.max(0, this.#at - at) }))
      .toSorted((a, b) => keyOf(a.stats).localeCompare(keyOf(b.stats)));
  }

  /** All procedures, the busiest first. */
  procedures(): TopProcedure[] {
    const parts = [...this.#seen.values()].flatMap(({ stats, byProcedure }) =>
      stats.endpoints.map((endpoint) => ({
        ...endpoint,
        queue: stats.name,
        rates: byProcedure.get(endpoint.name),
      }))
    );
    const groups = Map.groupBy(parts, ({ queue, name }) => `${queue} ${name}`);
    return [...groups.values()].map((group): TopProcedure => {
      const most = (value: (part: typeof group[number]) => number) => Math.max(...group.map(value));
      const rates = group.flatMap(({ rates }) => rates ?? []);
      return {
        queue: group[0]?.queue ?? "",
        name: group[0]?.name ?? "",
        rates: rates.length === 0 ? undefined : sumOf(rates),
        p50: most(({ p50 }) => p50),
        p95: most(({ p95 }) => p95),
        p99: most(({ p99 }) => p99),
        inHand: group.reduce((sum, { inHand }) => sum + inHand, 0),
      };
    }).toSorted((a, b) => (b.rates?.requests ?? 0) - (a.rates?.requests ?? 0));
  }
}

/** Adds rates up. */
export function sumOf(rates: readonly Rates[]): Rates {
  return {
    requests: rates.reduce((sum, { requests }) => sum + requests, 0),
    errors: rates.reduce((sum, { errors }) => sum + errors, 0),
  };
}

/** Tells servers apart. */
export function keyOf({ name, id }: { readonly name: string; readonly id: string }): string {
  return `${name}/${id}`;
}

function seenOf(stats: Answer<ServerStats>, at: number, before: Seen | undefined): Seen {
  const byProcedure = new Map<string, Rates>();
  const seconds = before === undefined ? 0 : (at - before.at) / 1_000;
  if (before === undefined || seconds <= 0) return { stats, at, rates: undefined, byProcedure };
  const last = new Map(before.stats.endpoints.map((endpoint) => [endpoint.name, endpoint]));
  for (const { name, numRequests, numErrors } of stats.endpoints) {
    const { numRequests: requests = 0, numErrors: errors = 0 } = last.get(name) ?? {};
    byProcedure.set(name, {
      requests: Math.max(0, numRequests - requests) / seconds,
      errors: Math.max(0, numErrors - errors) / seconds,
    });
  }
  return { stats, at, rates: sumOf([...byProcedure.values()]), byProcedure };
}
