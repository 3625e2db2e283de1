/** What has happened between two looks at servers and queues. @module */

import type { Answer, ServerStats } from "../../extras/control/rpc_control.ts";
import { keyOf, type QueueCounts, type Sample } from "./top/top_model.ts";

/** Something that has happened. */
export interface WatchedEvent {
  readonly event:
    | "server-appeared"
    | "server-silent"
    | "server-back"
    | "server-gone"
    | "state"
    | "errors"
    | "workers-crashed"
    | "workers-back"
    | "parked"
    | "consumers"
    | "queue-gone"
    | "queue-there";
  readonly queue: string;
  /** Absent if it is about the queue. */
  readonly server?: string;
  /** In words. */
  readonly words: string;
}

/** Who is silent for so many looks is said to be, and for so many more is taken to be gone. */
const SILENT_LOOKS = 3;
const GONE_LOOKS = 10;

interface Known {
  readonly stats: Answer<ServerStats>;
  readonly silentLooks: number;
}

/** Compares each look with the one before. */
export class EventWatch {
  readonly #servers = new Map<string, Known>();
  #queues: ReadonlyMap<string, QueueCounts> | undefined;

  /** Tells what has happened since the last time; of the first look, which servers there are. */
  add({ servers, queues }: Sample): WatchedEvent[] {
    const events = servers.flatMap((stats) => {
      const known = this.#servers.get(keyOf(stats));
      this.#servers.set(keyOf(stats), { stats, silentLooks: 0 });
      return known === undefined ? [appeared(stats)] : changesOf(known, stats);
    });
    const answered = new Set(servers.map(keyOf));
    for (const [key, { stats, silentLooks }] of this.#servers) {
      if (!answered.has(key)) events.push(...this.#missed(key, stats, silentLooks + 1));
    }
    const before = this.#queues;
    this.#queues = queues;
    if (before === undefined) return events;
    return [
      ...events,
      ...[...queues].flatMap(([queue, counts]) => queueChanges(queue, before.get(queue), counts)),
    ];
  }

  #missed(key: string, stats: ServerStats, silentLooks: number): WatchedEvent[] {
    const about = { queue: stats.name, server: stats.id };
    if (silentLooks >= SILENT_LOOKS + GONE_LOOKS) {
      this.#servers.delete(key);
      return [{ ...about, event: "server-gone", words: "has not answered for long" }];
    }
    const known = this.#servers.get(key);
    if (known !== undefined) this.#servers.set(key, { ...known, silentLooks });
    if (silentLooks !== SILENT_LOOKS) return [];
    return [{ ...about, event: "server-silent", words: `does not answer; it was ${stats.state}` }];
  }
}

function appeared({ name, id, host = "a host", version, state }: ServerStats): WatchedEvent {
  const words = `${state} on ${host}, version ${version}`;
  return { event: "server-appeared", queue: name, server: id, words };
}

function changesOf({ stats: was, silentLooks }: Known, is: ServerStats): WatchedEvent[] {
  const about = { queue: is.name, server: is.id };
  const events: WatchedEvent[] = [];
  if (silentLooks >= SILENT_LOOKS) {
    events.push({ ...about, event: "server-back", words: "answers again" });
  }
  if (was.state !== is.state) {
    events.push({ ...about, event: "state", words: `${is.state}, was ${was.state}` });
  }
  const [before, after] = [crashedOf(was), crashedOf(is)];
  if (after > before) {
    events.push({ ...about, event: "workers-crashed", words: `${after} workers have crashed` });
  }
  if (before > 0 && after === 0) {
    events.push({ ...about, event: "workers-back", words: "all workers are back" });
  }
  const errors = new Map(was.endpoints.map(({ name, numErrors }) => [name, numErrors]));
  for (const { name, numErrors, lastError } of is.endpoints) {
    const count = numErrors - (errors.get(name) ?? 0);
    if (count <= 0) continue;
    const last = lastError === undefined ? "" : `, the last one: ${lastError.outcome}`;
    events.push({ ...about, event: "errors", words: `${name} has failed ${count} times${last}` });
  }
  return events;
}

function crashedOf({ pools }: ServerStats): number {
  return pools.reduce((sum, { crashed }) => sum + crashed, 0);
}

function queueChanges(queue: string, was: QueueCounts = {}, is: QueueCounts): WatchedEvent[] {
  const events: WatchedEvent[] = [];
  const [before, after] = [was.ready !== undefined, is.ready !== undefined];
  if (before && !after) events.push({ event: "queue-gone", queue, words: "the queue is gone" });
  if (!before && after) events.push({ event: "queue-there", queue, words: "the queue is there" });
  const parked = (is.parked ?? 0) - (was.parked ?? 0);
  if (parked !== 0 && is.parked !== undefined) {
    const words = parked > 0 ? `${parked} more are parked` : `${-parked} fewer are parked`;
    events.push({ event: "parked", queue, words: `${words}, ${is.parked} in all` });
  }
  if (before && after && was.consumers !== is.consumers) {
    const words = `${is.consumers} consumers, were ${was.consumers}`;
    events.push({ event: "consumers", queue, words });
  }
  return events;
}
