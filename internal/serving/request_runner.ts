/** Runs requests: finds the handler, and runs requests with the same key once. @module */

import { RpcError } from "../../errors.ts";
import { checkBodySize } from "../check.ts";
import { readAmqpValue } from "../protocol/amqp_value.ts";
import type { IncomingRequest } from "../protocol/envelope.ts";
import { encodeError } from "../running/encode.ts";
import type {
  EncodedHandler,
  EncodedRequest,
  HandlerCapacity,
  RunningRequest,
  WorkPlace,
} from "../running/encoded_handler.ts";
import type { EncodedReply, ItemSink } from "../encoded_reply.ts";
import type { RunTiming } from "../run_timing.ts";
import { isShortText, MAX_SHORT_TEXT_BYTES } from "../text.ts";
import { callScope } from "../call_scope.ts";
import type { ActiveRequest } from "./active_requests.ts";
import type { RunningWork, Seat } from "./running_work.ts";
import type { Procedures } from "./procedures.ts";
import type { ReplyCache } from "./keys/reply_cache.ts";
import { RequestContext } from "./request_context.ts";
import type { ClaimedWork } from "./keys/claimed_work.ts";
import { type KeyScope, WorkKey } from "./keys/work_key.ts";

/** What a {@linkcode RequestRunner} needs of its server. */
export interface RunnerOptions {
  readonly procedures: Procedures;
  readonly maxBodyBytes: number;
  /** Absent if every request is to be run anew. */
  readonly cache: ReplyCache | undefined;
  /** Whose keys are the same; absent if each caller has its own. */
  readonly keyScope?: KeyScope | undefined;
  /** Does work with keys that callers set once in several servers; absent if it is not to. */
  readonly claimed?: ClaimedWork | undefined;
  readonly includeStack: boolean;
  /** How long a function may run, in milliseconds; `Infinity` is no limit. */
  readonly handlerTimeLimitMs?: number | undefined;
}

/** How the error of a body that is too large begins. */
const SUBJECT = "Cannot serve the request as";
const INPUT = { subject: `${SUBJECT} its input` };
const OUTPUT = { subject: `${SUBJECT} its output` };

/** Runs the requests of one server. */
export class RequestRunner {
  readonly #options: RunnerOptions;
  /** By idempotency key. */
  readonly #runs = new Map<string, Run>();
  #reused = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Requests that were answered with the output of another one. */
  get reused(): number {
    return this.#reused;
  }

  /** Whether there is a procedure for a request. */
  knows({ procedure }: IncomingRequest): boolean {
    return this.#options.procedures.has(procedure);
  }

  /** What `meta` the procedure of a request has, if any. */
  metaOf({ procedure }: IncomingRequest): Readonly<Record<string, unknown>> | undefined {
    return this.#options.procedures.metaOf(procedure);
  }

  /**
   * Runs a request, or finds what it would give. Never rejects.
   *
   * @param active The request.
   * @param sink Takes what the handler tells before its end, if the caller wants it. A stream is always
   * run for itself.
   * @returns The reply, whatever went wrong; or the error of a worker that died, after which another
   * attempt may do better.
   */
  async run(active: ActiveRequest, sink?: ItemSink): Promise<EncodedReply | RpcError> {
    const { procedures, maxBodyBytes, cache, includeStack } = this.#options;
    const { request, delivery } = active;
    let run: Run | undefined;
    try {
      checkBodySize(delivery.body, maxBodyBytes, INPUT);
      const { name, handler } = procedures.find(request.procedure);
      const key = this.#keyOf(name, active);
      const kept = key === undefined ? undefined : cache?.get(key);
      if (kept !== undefined) return this.#reuse(active, kept);
      run = key === undefined ? undefined : this.#runs.get(key.name);
      if (run?.isWanted) key?.requireSame(run.key?.input);
      if (run?.isWanted) return await this.#reuse(active, run.joinLate(active, sink));
      run = new Run(active, {
        name,
        key,
        limitMs: this.#limitOf(handler),
        capacity: handler.capacity,
      });
      const reply = run.join(active);
      this.#start(run, handler, sink);
      return await reply;
    } catch (error) {
      // It may never end.
      if (run?.isWanted === false) this.#forget(run);
      if (error instanceof RpcError && error.code === "worker-crashed") return error;
      return withReplyHeaders(encodeError(error, { includeStack }), run);
    }
  }

  #reuse<Reply>(active: ActiveRequest, reply: Reply): Reply {
    this.#reused++;
    active.isReused = true;
    return reply;
  }

  /** Never rejects. */
  async #start(run: Run, handler: EncodedHandler, sink: ItemSink | undefined): Promise<void> {
    const { cache, maxBodyBytes } = this.#options;
    const { key } = run;
    if (key !== undefined) this.#runs.set(key.name, run);
    try {
      // What the handler calls can tell whose work it is part of.
      const work = () => callScope.run(run, startWork, run, handler, sink);
      const result = key?.input === undefined ? await work() : await this.#once(key, run, work);
      const reply = withReplyHeaders(result, run);
      checkReply(reply, maxBodyBytes);
      if (key !== undefined) cache?.keep(key, reply);
      run.end(({ resolve }) => resolve(reply));
    } catch (error) {
      run.end(({ reject }) => reject(error));
    }
    this.#forget(run);
  }

  /** Does work with a key that its caller set, unless another server does or has done it. */
  async #once(
    key: WorkKey,
    run: Run,
    work: () => EncodedReply | Promise<EncodedReply>,
  ): Promise<EncodedReply> {
    const { claimed, maxBodyBytes } = this.#options;
    if (claimed === undefined) return await work();
    const { reply, isReused } = await claimed.run({
      key,
      throwIfUnwanted: () => run.context.throwIfCancelled(),
      start: async () => {
        const reply = withReplyHeaders(await work(), run);
        // What cannot be sent is not kept.
        checkReply(reply, maxBodyBytes);
        return reply;
      },
    });
    return isReused ? this.#reuse(run.first, reply) : reply;
  }

  /** Whoever comes with the key of a run that was aborted has started another. */
  #forget(run: Run): void {
    const { key } = run;
    if (key !== undefined && this.#runs.get(key.name) === run) this.#runs.delete(key.name);
  }

  /** A pool knows its own. */
  #limitOf({ capacity }: EncodedHandler): number {
    return capacity === undefined ? this.#options.handlerTimeLimitMs ?? Infinity : Infinity;
  }

  #keyOf(procedure: string, { request, delivery }: ActiveRequest): WorkKey | undefined {
    const { cache, claimed, keyScope: scope = "caller" } = this.#options;
    if (cache === undefined && claimed === undefined) return undefined;
    return WorkKey.of({ procedure, request, body: delivery.body, scope });
  }
}

/** Runs a handler once, or as a stream where there is a sink for its items. */
function startWork(
  run: Run,
  handler: EncodedHandler,
  sink: ItemSink | undefined,
): Promise<EncodedReply> | EncodedReply {
  return sink === undefined ? handler.handle(run) : run.stream(handler, sink);
}

/** What a {@linkcode Run} is made of, beside its first request. */
interface RunParts {
  /** The procedure. */
  readonly name: string;
  readonly key: WorkKey | undefined;
  /** How long it may take, in milliseconds. */
  readonly limitMs: number;
  /** Of its handler. */
  readonly capacity: HandlerCapacity | undefined;
}

/** A handler at work, for all requests with one key; also what the handler is told of it. */
class Run implements EncodedRequest, RunningWork {
  readonly procedure: string;
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly priority: number | undefined;
  readonly context: RequestContext;
  readonly timing: RunTiming | undefined;
  /** The one that it was begun for. */
  readonly first: ActiveRequest;
  /** Absent if the request is run for itself. */
  readonly key: WorkKey | undefined;
  readonly endsAt: number;
  readonly #limitMs: number;
  readonly #capacity: HandlerCapacity | undefined;
  #seats: Seat[] = [];
  /** Of those that want to be told of progress. */
  readonly #sinks: ItemSink[] = [];
  #wanted = 0;
  #stream: RunningRequest | undefined;

  constructor(first: ActiveRequest, { name, key, limitMs, capacity }: RunParts) {
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
    this.context = new RequestContext(name, request, delivery.redeliveries);
    this.key = key;
  }

  /** Whether a request waits for the reply; if none does, the handler has been aborted. */
  get isWanted(): boolean {
    return this.#wanted > 0;
  }

  /** Waits for the reply. */
  join(active: ActiveRequest): Promise<EncodedReply> {
    const seat = Promise.withResolvers<EncodedReply>();
    this.#seats.push(seat);
    this.#wanted++;
    active.run(this, seat);
    return seat.promise;
  }

  /** Waits for the reply, and perhaps for longer than those before; is told what is told from now on. */
  joinLate(active: ActiveRequest, sink: ItemSink | undefined): Promise<EncodedReply> {
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

/** A worker has put the headers that its handler has set into the reply. */
function withReplyHeaders(reply: EncodedReply, run: Run | undefined): EncodedReply {
  const headers = run?.context.replyHeaders;
  return headers === undefined ? reply : { ...reply, headers };
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

/** Checks what a handler has encoded itself, while there is somebody to tell. */
function checkReply({ body, contentType }: EncodedReply, maxBodyBytes: number): void {
  checkBodySize(body, maxBodyBytes, OUTPUT);
  if (typeof contentType === "string" && isShortText(contentType)) return;
  throw new RpcError(
    "unencodable",
    `${SUBJECT} the content type of its output must be a string of at most ` +
      `${MAX_SHORT_TEXT_BYTES} bytes: current value is ${String(contentType).slice(0, 80)}`,
  );
}
