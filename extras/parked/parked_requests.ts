/**
 * The administrator's side: requests that servers parked, to be looked at, run again or dropped.
 *
 * @module
 */

import type { BrokerUrl, ConnectOptions } from "../../options/connect_options.ts";
import { RpcError } from "../../errors.ts";
import type { AmqpConnection } from "../../internal/broker/amqp.ts";
import { checkInteger, checkName, checkOptions, checkType } from "../../internal/check.ts";
import { resolveConnectOptions } from "../../internal/broker/connect_settings.ts";
import { openLocked } from "./open_locked.ts";
import {
  lockQueueOf,
  type ParkedRequest,
  parkingQueueOf,
} from "../../internal/protocol/parked_message.ts";
import { BodyLimits } from "../../internal/broker/body_limits.ts";
import { explainWalkError, type HeldRequest, type ParkedWalk, walkParked } from "./walk.ts";
import { Publisher } from "../../internal/broker/publisher.ts";
import { Redrive } from "./redrive.ts";

export type { BrokerUrl, ConnectOptions, TlsOptions } from "../../options/connect_options.ts";
export type { ParkedRequest } from "../../internal/protocol/parked_message.ts";

/** Options of {@linkcode ParkedRequests.open}. */
export interface ParkedRequestsOptions extends ConnectOptions {
  /** The request queue whose servers parked requests; not the parking queue. */
  readonly queue: string;
}

/** Options of {@linkcode ParkedRequests.list}. */
export interface ListParkedOptions {
  /**
   * Most requests to list.
   *
   * @default {1_000}
   */
  readonly limit?: number;
}

/** Which requests are meant: their ids, or all that are parked when the operation begins. */
export type ParkedSelection = readonly string[] | "all";

/** A parked request with all that is known of it. */
export interface ParkedDetails extends ParkedRequest {
  /** The body as it came; `contentType` tells which codec reads it. */
  readonly body: Uint8Array;
  /** Its headers, those with the reason (`rpc-parked-…`) included: see docs/protocol.md. */
  readonly headers: Readonly<Record<string, unknown>>;
}

/** What became of requests that were to be run again. */
export interface RedriveCounts {
  /** How many are in the request queue again, and parked no more. */
  readonly redriven: number;
  /** How many were left parked as their callers read a stream, which nobody does now. */
  readonly streams: number;
  /** How many of the ids are not parked. */
  readonly missing: number;
}

/** What became of requests that were to be dropped. */
export interface DropCounts {
  /** How many are gone for good. */
  readonly dropped: number;
  /** How many of the ids are not parked. */
  readonly missing: number;
}

/**
 * The requests in the parking queue of a request queue: those that servers could not serve.
 *
 * - One program at a time has them open; servers go on parking all the while.
 * - A request is removed after it is published again, or dropped: whatever breaks, none is lost,
 *   and one may be run twice.
 * - The connection is not healed: after `disconnected`, open them again.
 *
 * Operations of one object run one after the other.
 *
 * @example Running parked requests once more
 * ```ts ignore because it needs a broker
 * import { ParkedRequests } from "@warren/rpc/parked";
 *
 * await using parked = await ParkedRequests.open("amqp://127.0.0.1", { queue: "math" });
 * for (const { id, procedure, message } of await parked.list()) console.log(id, procedure, message);
 * const { redriven } = await parked.redrive("all");
 * console.log(`${redriven} run again`);
 * ```
 */
export class ParkedRequests implements AsyncDisposable {
  readonly #parts: OpenParts;
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(parts: OpenParts) {
    this.#parts = parts;
  }

  /**
   * Connects, and keeps other administrators out until it is closed.
   *
   * @param url The broker's URL, or the URLs of a cluster's nodes.
   * @param options The request queue, and how to connect. `confirmTimeoutMs` also bounds the wait
   * for each answer of the broker.
   * @returns The parked requests; none if no request has been parked yet.
   * @throws {TypeError} If the URL or the name cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`; `in-use` if somebody
   * else has them open.
   */
  static async open(url: BrokerUrl, options: ParkedRequestsOptions): Promise<ParkedRequests> {
    checkOptions("open the parked requests", options);
    const { queue } = options;
    checkName("open the parked requests", { queue });
    const parkingQueue = parkingQueueOf(queue);
    checkName("open the parked requests", { "lock queue": lockQueueOf(parkingQueue) });
    const settings = resolveConnectOptions(url, options, `${queue} administrator`);
    const connection = await openLocked(settings, parkingQueue);
    try {
      const { confirmTimeoutMs: limitMs } = settings;
      const limits = new BodyLimits();
      const publisher = await Publisher.open(connection, { confirmTimeoutMs: limitMs, limits });
      return new ParkedRequests({ queue, connection, publisher, limits, limitMs });
    } catch (error) {
      await connection.close();
      throw explainWalkError(error, parkingQueue);
    }
  }

  /**
   * Lists requests, those parked first in front. If there are more than the limit, which ones are
   * listed is for the broker to say: what was looked at may return to its queue in another order.
   *
   * @param options How many.
   * @returns The requests without their bodies; none if the queue does not exist.
   * @throws {RangeError} If `limit` is not an integer of at least 1.
   * @throws {RpcError} `disconnected`, `access-refused` or `closed`.
   */
  async list(options: ListParkedOptions = {}): Promise<ParkedRequest[]> {
    checkOptions("list", options);
    const { limit = 1_000 } = options;
    checkInteger("list", { limit }, { min: 1 });
    return await this.#walk(async (walk) => {
      const listed: ParkedRequest[] = [];
      for await (const { request } of walk.requests()) {
        listed.push(request);
        if (listed.length >= limit) break;
      }
      return listed.sort((a, b) => (a.parkedAt ?? 0) - (b.parkedAt ?? 0));
    });
  }

  /**
   * Looks at all requests, one after the other, with their bodies. They stay parked. What changes
   * them meanwhile waits until the last one was looked at.
   *
   * @param look Told of each; `false` ends it.
   * @throws {TypeError} If `look` is no function.
   * @throws {RpcError} `disconnected`, `access-refused` or `closed`. What `look` throws ends it, too.
   */
  async forEach(look: (request: ParkedDetails) => boolean | void): Promise<void> {
    checkType("look at parked requests", { look: look ?? null }, "function");
    await this.#walk(async (walk) => {
      for await (const { request, delivery } of walk.requests()) {
        const { body, properties } = delivery;
        const details = { ...request, body: body.slice(), headers: { ...properties.headers } };
        if (look(details) === false) break;
      }
    });
  }

  /**
   * Looks at one request.
   *
   * @param id Its id, from {@linkcode list} or a server's event `parked`.
   * @returns The request, or `undefined` if it is not parked.
   * @throws {RpcError} `disconnected`, `access-refused` or `closed`.
   */
  async inspect(id: string): Promise<ParkedDetails | undefined> {
    return await this.#walk(async (walk) => {
      for await (const { request, delivery } of walk.requests()) {
        if (request.id !== id) continue;
        const { body, properties } = delivery;
        return { ...request, body: body.slice(), headers: { ...properties.headers } };
      }
      return undefined;
    });
  }

  /**
   * Runs requests again, as notifications: no reply, no deadline, with their idempotency keys. Each
   * is removed after the broker has confirmed it in the request queue, so one that breaks off in
   * between runs twice.
   *
   * @param selection Which ones.
   * @returns How many.
   * @throws {TypeError} If the selection is neither `"all"` nor a list.
   * @throws {RpcError} `unroutable`, if the request queue does not exist; `queue-full`, if it is
   * full; `too-large`, after all others were sent, if the broker takes one no more for its size;
   * `disconnected`, `access-refused` or `closed`. What was not confirmed is kept.
   */
  async redrive(selection: ParkedSelection): Promise<RedriveCounts> {
    const wanted = new Wanted(selection);
    return await this.#walk(async (walk) => {
      const { queue, publisher, limits } = this.#parts;
      const redrive = new Redrive({ queue, publisher, limits, walk });
      let streams = 0;
      for await (const held of walk.requests()) {
        if (!wanted.has(held)) continue;
        if (held.request.isStream) streams++;
        else await redrive.add(held);
      }
      await redrive.finish();
      return { redriven: redrive.redriven, streams, missing: wanted.missing };
    });
  }

  /**
   * Removes requests for good.
   *
   * @param selection Which ones.
   * @returns How many.
   * @throws {TypeError} If the selection is neither `"all"` nor a list.
   * @throws {RpcError} `disconnected`, `access-refused` or `closed`; some may be gone then.
   */
  async drop(selection: ParkedSelection): Promise<DropCounts> {
    const wanted = new Wanted(selection);
    return await this.#walk(async (walk) => {
      let dropped = 0;
      for await (const held of walk.requests()) {
        if (!wanted.has(held)) continue;
        walk.remove(held);
        dropped++;
      }
      return { dropped, missing: wanted.missing };
    });
  }

  /**
   * Closes the connection and lets other administrators in. What is under way ends with `closed`
   * between two requests; what it has not reached is kept.
   */
  async close(): Promise<void> {
    await (this.#closed ??= this.#close());
  }

  /** The same as {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort(closedError());
    await this.#last;
    await this.#parts.publisher.close();
    await this.#parts.connection.close();
  }

  /** Waits for the walks before, as a request that one holds is hidden from the others. */
  #walk<T>(work: (walk: ParkedWalk) => Promise<T>): Promise<T> {
    const walked = this.#last.then(() => this.#walkNow(work));
    this.#last = walked.catch(() => {});
    return walked;
  }

  async #walkNow<T>(work: (walk: ParkedWalk) => Promise<T>): Promise<T> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const queue = parkingQueueOf(this.#parts.queue);
    try {
      return await walkParked({ ...this.#parts, queue, signal }, work);
    } catch (error) {
      throw explainWalkError(error, queue);
    }
  }
}

/** What is open as long as the parked requests are. */
interface OpenParts {
  /** The request queue. */
  readonly queue: string;
  readonly connection: AmqpConnection;
  readonly publisher: Publisher;
  readonly limits: BodyLimits;
  /** Longest silence of the broker, in milliseconds. */
  readonly limitMs: number;
}

/** The requests that were asked for. */
class Wanted {
  readonly #ids: ReadonlySet<string> | undefined;
  readonly #missing: Set<string>;

  constructor(selection: ParkedSelection) {
    if (selection !== "all" && !Array.isArray(selection)) {
      throw new TypeError('Cannot select parked requests as they must be "all" or a list of ids');
    }
    this.#ids = selection === "all" ? undefined : new Set(selection);
    this.#missing = new Set(this.#ids);
  }

  /** How many ids have not been seen. */
  get missing(): number {
    return this.#missing.size;
  }

  has({ request }: HeldRequest): boolean {
    this.#missing.delete(request.id);
    return this.#ids?.has(request.id) ?? true;
  }
}

function closedError(): RpcError {
  return new RpcError("closed", "Cannot use the parked requests as they are closed");
}
