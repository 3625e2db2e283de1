/** Clients, request queues, servers and their workers, simulated message by message. @module */

import { quantile } from "../../tools/measuring/quantile.ts";
import { EventQueue, Random } from "./event_queue.ts";
import { Station } from "./station.ts";

/** What one call costs, as measured: processor time, and time in which nobody computes. */
export interface Costs {
  readonly clientMs: number;
  readonly brokerMs: number;
  readonly serverMs: number;
  /** A message from one program to another, beside the processor time at both ends. */
  readonly hopMs: number;
}

/** What is simulated. */
export interface RpcSystem {
  readonly costs: Costs;
  readonly servers: number;
  /** How many requests each server has in hand, all of which sleep. */
  readonly prefetch: number;
  readonly taskMs: number;
  /** Request queues, between which servers and calls are spread evenly. */
  readonly queues: number;
  /** Cores of the broker, of which a queue uses one at most. */
  readonly brokerCores: number;
  /** Present if clients, broker and servers share so many cores, and the broker has none of its own. */
  readonly sharedCores?: number;
  /** How the calls come. */
  readonly load:
    /** So many at a time: the next one is made when one has its reply. */
    | { readonly inFlight: number }
    /** So many a second, whatever becomes of them, from so many clients. */
    | { readonly perSecond: number; readonly clients: number };
  /** Simulated time, after a tenth of it that is not counted. */
  readonly forMs: number;
}

/** What came of it. */
export interface RpcOutcome {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** How busy each part was: the one near 1 is what holds up the rest. */
  readonly busy: Readonly<Record<"broker" | "servers" | "workers" | "cores", number>>;
}

/** Of the broker's work for a call: the request and its confirm, its delivery, and so on. */
const BROKER_PARTS = 4;

/** Simulates it. The same system has the same outcome each time. */
export function simulate(system: RpcSystem): RpcOutcome {
  return new Run(system).outcome();
}

/** One queue, with its servers' free places. */
interface Queue {
  /** Where the calls' requests wait for a place. */
  readonly waiting: (() => void)[];
  /** Which servers have a free place, one entry for each. */
  readonly free: Station[];
}

class Run {
  readonly #system: RpcSystem;
  readonly #events = new EventQueue();
  readonly #random = new Random(1);
  readonly #shared: Station | undefined;
  readonly #broker: Station;
  readonly #queues: Queue[];
  readonly #servers: Station[];
  readonly #durations: number[] = [];
  #workingMs = 0;
  #calls = 0;

  constructor(system: RpcSystem) {
    const { sharedCores, queues, brokerCores, servers, prefetch } = system;
    this.#system = system;
    this.#shared = sharedCores === undefined ? undefined : new Station(this.#events, sharedCores);
    // A queue is one process of the broker, which uses one core: here all of the broker's work for it.
    this.#broker = this.#shared ?? new Station(this.#events, Math.min(queues, brokerCores));
    this.#servers = Array.from({ length: servers }, () => {
      return this.#shared ?? new Station(this.#events, 1);
    });
    this.#queues = Array.from({ length: queues }, (_, index) => {
      const own = this.#servers.filter((_, server) => server % queues === index);
      // In turn, as the broker gives them out.
      return { waiting: [], free: Array.from({ length: prefetch }, () => own).flat() };
    });
  }

  outcome(): RpcOutcome {
    const { load, forMs, servers, prefetch } = this.#system;
    if ("inFlight" in load) { for (let call = 0; call < load.inFlight; call++) this.#call(); }
    else this.#arrive(load.perSecond);
    this.#events.runUntil(forMs * 1.1);
    const { now } = this.#events;
    const serversBusy = this.#servers.reduce((sum, { utilization }) => sum + utilization, 0) /
      servers;
    return {
      perSecond: this.#durations.length / forMs * 1_000,
      p50: quantile(this.#durations, 0.5),
      p99: quantile(this.#durations, 0.99),
      busy: {
        broker: this.#shared ? 0 : this.#broker.utilization,
        servers: this.#shared ? 0 : serversBusy,
        workers: this.#workingMs / (now * servers * prefetch),
        cores: this.#shared?.utilization ?? 0,
      },
    };
  }

  #arrive(perSecond: number): void {
    this.#events.after(this.#random.exponential(1_000 / perSecond), () => {
      this.#call();
      this.#arrive(perSecond);
    });
  }

  /** From the client to the queue. */
  #call(): void {
    const { costs, queues } = this.#system;
    const startedAt = this.#events.now;
    const queue = this.#queues[this.#calls++ % queues];
    if (queue === undefined) return;
    this.#client(costs.clientMs / 2, () => {
      this.#hop(() => this.#brokerPart(() => this.#enqueue(queue, startedAt)));
    });
  }

  #enqueue(queue: Queue, startedAt: number): void {
    const server = queue.free.shift();
    if (server === undefined) queue.waiting.push(() => this.#enqueue(queue, startedAt));
    else this.#deliver(queue, server, startedAt);
  }

  /** To a server, which works and replies. */
  #deliver(queue: Queue, server: Station, startedAt: number): void {
    const { costs, taskMs } = this.#system;
    this.#brokerPart(() =>
      this.#hop(() =>
        server.visit(costs.serverMs / 2, () => {
          this.#events.after(taskMs, () => {
            this.#workingMs += taskMs;
            server.visit(costs.serverMs / 2, () => this.#reply(queue, server, startedAt));
          });
        })
      )
    );
  }

  /** The broker confirms the reply to the server, and brings it to the client. */
  #reply(queue: Queue, server: Station, startedAt: number): void {
    const { costs } = this.#system;
    this.#hop(() =>
      this.#brokerPart(() => {
        // The confirm to the server, and its acknowledgement: then there is a place again.
        this.#hop(() => this.#hop(() => this.#brokerPart(() => this.#release(queue, server))));
        this.#hop(() => this.#client(costs.clientMs / 2, () => this.#settle(startedAt)));
      })
    );
  }

  #release(queue: Queue, server: Station): void {
    queue.free.push(server);
    queue.waiting.shift()?.();
  }

  #settle(startedAt: number): void {
    const { load, forMs } = this.#system;
    if (this.#events.now >= forMs * 0.1) this.#durations.push(this.#events.now - startedAt);
    if ("inFlight" in load) this.#call();
  }

  #brokerPart(next: () => void): void {
    this.#broker.visit(this.#system.costs.brokerMs / BROKER_PARTS, next);
  }

  /** Many clients are many machines; those of a measurement share its cores. */
  #client(ms: number, next: () => void): void {
    if (this.#shared === undefined) this.#events.after(ms, next);
    else this.#shared.visit(ms, next);
  }

  #hop(next: () => void): void {
    this.#events.after(this.#system.costs.hopMs, next);
  }
}
