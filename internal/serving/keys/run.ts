/** Handlers at work. @module */

import { RpcError } from "../../../errors.ts";
import type { AmqpDelivery } from "../../broker/amqp.ts";
import type { CallScope } from "../../call_scope.ts";
import type { EncodedReply, ItemSink } from "../../encoded_reply.ts";
import { readAmqpValue } from "../../protocol/amqp_value.ts";
import type { IncomingRequest } from "../../protocol/envelope.ts";
import type { RunTiming } from "../../run_timing.ts";
import type {
  EncodedHandler,
  EncodedRequest,
  HandlerCapacity,
  RunningRequest,
  WorkPlace,
} from "../../running/encoded_handler.ts";
import type { WorkKey } from "./work_key.ts";
import { RequestContext } from "../request_context.ts";
import type { RunningWork, Seat } from "../running_work.ts";

/** What a {@linkcode Run} is made of, beside its first request. */
export interface RunParts {
  /** The procedure. */
  readonly name: string;
  readonly key: WorkKey | undefined;
  /** How long it may take, in milliseconds. */
  readonly limitMs: number;
  /** Of its handler. */
  readonly capacity: HandlerCapacity | undefined;
  /** What its handler was begun with, if it was. */
  readonly scope?: TextScope | undefined;
}

/** Takes note of what runs for it. */
interface Waiter {
  run(work: RunningWork, seat: Seat): void;
}

/** A request that is served. */
interface Served extends Waiter {
  /** Whether its reply is that of another request. */
  isReused: boolean;
  readonly request: IncomingRequest;
  readonly delivery: Pick<AmqpDelivery, "body" | "redeliveries">;
  readonly timing: RunTiming | undefined;
}

/** What a handler is called with that has begun before its {@linkcode Run}. */
export interface TextScope extends CallScope {
  readonly context: RequestContext;
}

/** A handler at work, for all requests with one key; also what the handler is told of it. */
export class Run implements EncodedRequest, RunningWork {
  readonly procedure: string;
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly priority: number | undefined;
  readonly context: RequestContext;
  readonly timing: RunTiming | undefined;
  /** The one that it was begun for. */
  readonly first: Served;
  /** Absent if the request is run for itself. */
  readonly key: WorkKey | undefined;
  readonly endsAt: number;
  readonly scope: TextScope | undefined;
  readonly #limitMs: number;
  readonly #capacity: HandlerCapacity | undefined;
  #seats: Seat[] = [];
  /** Of those that want to be told of progress. */
  readonly #sinks: ItemSink[] = [];
  #wanted = 0;
  #stream: RunningRequest | undefined;

  constructor(first: Served, { name, key, limitMs, capacity, scope }: RunParts) {
    const { request, delivery, timing } = first;
    this.first = first;
    this.timing = timing;
    this.procedure = name;
    this.endsAt = limitMs === Infinity ? Infinity : performance.now() + limitMs;
    this.#limitMs = limitMs;
    this.#capacity = capacity;
    const { body, contentType } = bodyOf(name, request, delivery.body);
    this.body = body;
    this.contentType = contentType;
    this.priority = request.priority;
    this.scope = scope;
    this.context = scope?.context ?? new RequestContext(name, request, delivery.redeliveries);
    this.key = key;
  }

  /** Whether a request waits for the reply; if none does, the handler has been aborted. */
  get isWanted(): boolean {
    return this.#wanted > 0;
  }

  /** Waits for the reply. */
  join(active: Waiter): Promise<EncodedReply> {
    const seat = Promise.withResolvers<EncodedReply>();
    this.#seats.push(seat);
    this.#wanted++;
    active.run(this, seat);
    return seat.promise;
  }

  /** Waits for the reply, and perhaps for longer than those before; is told what is told from now on. */
  joinLate(active: Served, sink: ItemSink | undefined): Promise<EncodedReply> {
    this.context.prolong(active.request);
    if (sink !== undefined) this.#sinks.push(sink);
    return this.join(active);
  }

  place(): WorkPlace {
    return this.#capacity?.locate?.(this.context.signal) ?? { state: "running" };
  }

  leave(seat: Seat, reason: RpcError): void {
    // The handler goes on for others; this request makes room for the next.
    if (--this.#wanted > 0) this.abandon(seat, reason);
    else this.context.abort(reason);
  }

  abandon(seat: Seat, reason: RpcError): boolean {
    if (!this.#seats.includes(seat)) return false;
    this.#seats = this.#seats.filter((other) => other !== seat);
    seat.reject(reason);
    return true;
  }

  overrun(): RpcError {
    return new RpcError(
      "timeout",
      `Cannot complete "${this.procedure}" as it runs for longer than its limit: ${this.#limitMs} ms`,
    );
  }

  /** Has the handler send its items, or its progress, while it runs. */
  stream(handler: EncodedHandler, sink: ItemSink): Promise<EncodedReply> {
    this.#sinks.push(sink);
    this.#stream = handler.start?.(this, sink.onProgress === undefined ? sink : this.#toAll(sink));
    if (this.#stream !== undefined) return this.#stream.reply;
    throw new RpcError(
      "not-a-stream",
      `Cannot stream "${this.procedure}" as its handler cannot`,
    );
  }

  /** What the handler tells of its progress is for all that wait. */
  #toAll(sink: ItemSink): ItemSink {
    return {
      ...sink,
      onProgress: (progress) => {
        for (const { onProgress } of this.#sinks) onProgress?.(progress);
      },
    };
  }

  grant(count: number): void {
    this.#stream?.grant(count);
  }

  /** Settles the wait of all requests. */
  end(settle: (seat: Seat) => void): void {
    this.context[Symbol.dispose]();
    const seats = this.#seats;
    this.#seats = [];
    seats.forEach(settle);
  }
}

/** Runs a handler once, or as a stream where there is a sink for its items. */
export function startWork(
  run: Run,
  handler: EncodedHandler,
  sink: ItemSink | undefined,
): Promise<EncodedReply> | EncodedReply {
  return sink === undefined ? handler.handle(run) : run.stream(handler, sink);
}

/** The input of a request, and what it is. */
function bodyOf(
  procedure: string,
  request: IncomingRequest,
  body: Uint8Array,
): Pick<EncodedRequest, "contentType"> & { readonly body: Uint8Array } {
  const { compression, isAmqpValue, contentType } = request;
  if (compression !== undefined) {
    throw unreadable(procedure, `it is compressed: its content encoding is "${compression}"`);
  }
  if (!isAmqpValue) return { body, contentType };
  const value = readAmqpValue(body);
  if (value !== undefined) return value;
  throw unreadable(
    procedure,
    "it is a value of AMQP 1.0 that is no text and no bytes: send it as a data section",
  );
}

function unreadable(procedure: string, reason: string): RpcError {
  return new RpcError("undecodable", `Cannot decode the input of "${procedure}" as ${reason}`);
}
