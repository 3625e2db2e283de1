/** Runs requests: finds the handler, and runs requests with the same key once. @module */

import { RpcError } from "../../errors.ts";
import { checkBodySize } from "../check.ts";
import type { IncomingRequest } from "../protocol/envelope.ts";
import { encodeError } from "../running/encode.ts";
import type { EncodedHandler } from "../running/encoded_handler.ts";
import type { EncodedReply, ItemSink } from "../encoded_reply.ts";
import { isShortText, MAX_SHORT_TEXT_BYTES } from "../text.ts";
import { type CallScope, callScope } from "../call_scope.ts";
import type { ActiveRequest } from "./active_requests.ts";
import type { Procedures } from "./procedures.ts";
import type { BatchOutputs, ReplyCache } from "./keys/reply_cache.ts";
import { type ContextRequest, RequestContext } from "./request_context.ts";
import { Run, startWork, type TextScope } from "./keys/run.ts";
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

/** A request of a batch that has a procedure, an input of JSON text and a deadline, and no more. */
export interface TextRequest extends ContextRequest {
  readonly procedure: string;
  readonly body: string;
}

/** Work on a request that has begun before there was anybody to wait for it. */
export interface BegunWork {
  readonly procedure: string;
  readonly scope: TextScope;
  /** Somebody takes notice if it rejects. */
  readonly result: Promise<EncodedReply>;
}

/** How the error of a body that is too large begins. */
const SUBJECT = "Cannot serve the request as";
const INPUT = { subject: `${SUBJECT} its input` };
const OUTPUT = { subject: `${SUBJECT} its output` };

/** No text of UTF-16 has more bytes for one of its units. */
const MAX_UNIT_BYTES = 3;

/** Runs the requests of one server. */
export class RequestRunner {
  readonly #options: RunnerOptions;
  /** By idempotency key. */
  readonly #runs = new Map<string, Run>();
  #reused = 0;
  #current: CallScope | undefined;

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
    const { procedures, maxBodyBytes, cache } = this.#options;
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
      const begun = run;
      // What the handler calls can tell whose work it is part of.
      void this.#finish(begun, () => callScope.run(begun, startWork, begun, handler, sink));
      return await reply;
    } catch (error) {
      return this.#failed(error, run);
    }
  }

  /** The scope of the handler of a {@linkcode TextRequest} that is on the stack. */
  get current(): CallScope | undefined {
    return this.#current;
  }

  /**
   * Runs a request of a batch that has just come for the first time: without a promise, an entry in a
   * table and a key for each, which would take ten times as long as a short handler.
   *
   * @returns The reply; or what has begun, if its handler takes time; `undefined` if the request is to
   * be run as any other.
   */
  runText(request: TextRequest): EncodedReply | BegunWork | undefined {
    const { procedures, maxBodyBytes, includeStack } = this.#options;
    const { procedure, body, correlationId = "" } = request;
    const { runText } = procedures.get(procedure) ?? {};
    if (runText === undefined || MAX_UNIT_BYTES * body.length > maxBodyBytes) return undefined;
    // Its client has sent it again meanwhile.
    if (this.#runs.size > 0 && this.#runs.has(WorkKey.nameOf(procedure, correlationId))) {
      return undefined;
    }
    const context = new RequestContext(procedure, request, 0);
    const scope = { context };
    this.#current = scope;
    try {
      const result = callScope.run(scope, runText, body, context);
      if (result instanceof Promise) return begun({ procedure, scope, result });
      context[Symbol.dispose]();
      const { replyHeaders: headers } = context;
      checkReply(result, maxBodyBytes);
      return headers === undefined ? result : { ...result, headers };
    } catch (error) {
      const isCrash = error instanceof RpcError && error.code === "worker-crashed";
      if (isCrash) return begun({ procedure, scope, result: Promise.reject(error) });
      context[Symbol.dispose]();
      const reply = encodeError(error, { includeStack });
      const { replyHeaders: headers } = context;
      return headers === undefined ? reply : { ...reply, headers };
    } finally {
      this.#current = undefined;
    }
  }

  /** Keeps the outputs of a batch, in case that its requests come again, one by one. */
  keep(batch: BatchOutputs): void {
    this.#options.cache?.keepBatch(batch);
  }

  /** Waits for what has begun, as {@linkcode RequestRunner.run} does for what it begins. Never rejects. */
  async takeOver(active: ActiveRequest, work: BegunWork): Promise<EncodedReply | RpcError> {
    const { procedure: name, scope, result } = work;
    let run: Run | undefined;
    try {
      const key = this.#keyOf(name, active);
      const limitMs = this.#options.handlerTimeLimitMs ?? Infinity;
      run = new Run(active, { name, key, limitMs, capacity: undefined, scope });
      const reply = run.join(active);
      void this.#finish(run, () => result);
      return await reply;
    } catch (error) {
      return this.#failed(error, run);
    }
  }

  #failed(error: unknown, run: Run | undefined): EncodedReply | RpcError {
    // It may never end.
    if (run?.isWanted === false) this.#forget(run);
    if (error instanceof RpcError && error.code === "worker-crashed") return error;
    const { includeStack } = this.#options;
    return withReplyHeaders(encodeError(error, { includeStack }), run);
  }

  #reuse<Reply>(active: { isReused: boolean }, reply: Reply): Reply {
    this.#reused++;
    active.isReused = true;
    return reply;
  }

  /** Never rejects. */
  async #finish(run: Run, work: () => EncodedReply | Promise<EncodedReply>): Promise<void> {
    const { cache, maxBodyBytes } = this.#options;
    const { key } = run;
    if (key !== undefined) this.#runs.set(key.name, run);
    try {
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

/** Whoever takes it over sees its rejection, which may be later than it rejects. */
function begun(work: BegunWork): BegunWork {
  work.result.catch(() => {});
  return work;
}

/** A worker has put the headers that its handler has set into the reply. */
function withReplyHeaders(reply: EncodedReply, run: Run | undefined): EncodedReply {
  const headers = run?.context.replyHeaders;
  return headers === undefined ? reply : { ...reply, headers };
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
