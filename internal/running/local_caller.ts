/** Calls handlers in their own process, with what a call by way of a broker would do to values. @module */

import { AsyncLocalStorage } from "node:async_hooks";
import type { CallOptions, NotifyOptions, StreamOptions } from "../../caller.ts";
import { type Codec, codecFor, codecOf, jsonCodec } from "../../codec.ts";
import {
  type CallPhase,
  type CallReport,
  RpcError,
  RpcRemoteError,
  RpcTimeoutError,
} from "../../errors.ts";
import { callScope } from "../call_scope.ts";
import {
  checkCallOptions,
  resolveStreamOptions,
  signalsOf,
  timeLeftMs,
} from "../callers/call_options.ts";
import { callOrStream } from "../callers/client_api.ts";
import { DerivedCaller } from "../callers/derived_caller.ts";
import { withCallerStack } from "../caller_stack.ts";
import { checkProcedureName } from "../check.ts";
import type { EncodedItem, EncodedReply, ItemSink } from "../encoded_reply.ts";
import { readErrorDescription } from "../error_description.ts";
import { checkMessageHeaders, NO_HEADERS } from "../message_headers.ts";
import { safeObserver } from "../observer.ts";
import { ItemBuffer } from "../streaming/item_buffer.ts";
import { ItemReader } from "../streaming/item_reader.ts";
import { MAX_TIMEOUT_MS } from "../time.ts";
import { encodeError } from "./encode.ts";
import type { EncodedHandler, EncodedRequest, RunningRequest } from "./encoded_handler.ts";
import { LocalContext } from "./local_context.ts";

/** What a {@linkcode LocalCaller} calls. */
export interface LocalCallerOptions {
  /** By procedure name. */
  readonly handlers: ReadonlyMap<string, EncodedHandler>;
  /** Codecs beside JSON; the first one encodes inputs. */
  readonly codecs: readonly Codec[];
  /** The time of a call that does not say so itself, in milliseconds. */
  readonly timeoutMs: number;
  /** What errors name as the queue. */
  readonly place: string;
}

/** A call, checked and encoded. */
interface LocalRequest {
  readonly context: LocalContext;
  readonly request: EncodedRequest;
  readonly options: CallOptions;
  /** Each of them ends the call when it aborts. */
  readonly signals: readonly AbortSignal[];
  readonly timeoutMs: number;
  readonly calledAt: number;
}

const encoder = new TextEncoder();

/**
 * Each call encodes its input, runs the handler with what is decoded from that, and decodes the
 * output or the error, as if a broker had carried them. There are no batches, no redeliveries, and no
 * idempotency keys: each call runs.
 */
export class LocalCaller extends DerivedCaller {
  readonly #options: LocalCallerOptions;

  /** Makes a caller of what the options find. */
  constructor(options: LocalCallerOptions) {
    super(options.timeoutMs);
    this.#options = options;
  }

  async call(procedure: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    const { timeoutMs } = this.#options;
    const call = this.#make("call", { procedure, input, options, timeoutMs });
    const { onProgress } = options;
    const sink = onProgress === undefined ? undefined : this.#progressSink(onProgress);
    try {
      return this.#read(call, await this.#untilEnd(call, this.#start(call, sink).reply));
    } catch (error) {
      throw withCallerStack(error);
    }
  }

  stream(
    procedure: string,
    input?: unknown,
    options: StreamOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    return new ItemReader((wake) => {
      const made = this.#make("stream", { procedure, input, options, timeoutMs: MAX_TIMEOUT_MS });
      const left = new AbortController();
      const call = { ...made, signals: [...made.signals, left.signal] };
      const { credits, idleTimeoutMs } = resolveStreamOptions(options, this.#options.timeoutMs);
      const items = new ItemBuffer(procedure, credits, idleTimeoutMs);
      const running = this.#start(call, {
        credits,
        onItem: (item) => items.onItem(item),
        ...(options.onProgress && this.#progressSink(options.onProgress)),
      });
      const drop = (reason: unknown) => {
        if (!items.hasFailed) items.drop(reason);
      };
      return items.connect({
        ended: this.#untilEnd(call, running.reply, drop).then((reply) => this.#read(call, reply)),
        decode: (item) => this.#decode(item),
        grant: (count) => running.grant(count),
        cancel: (reason) => left.abort(reason),
      }, wake);
    });
  }

  /** Calls a procedure of which nobody knows whether it streams. */
  callOrStream(procedure: string, input: unknown, options: CallOptions): object {
    return callOrStream(this, procedure, [input, options]);
  }

  /** Resolves once the handler runs; what it throws is nobody's. */
  // deno-lint-ignore require-await -- it turns a throw into a rejection
  async notify(procedure: string, input?: unknown, options: NotifyOptions = {}): Promise<void> {
    const { timeoutMs } = this.#options;
    const call = this.#make("notify", { procedure, input, options, timeoutMs });
    void this.#start(call, undefined).reply.catch(() => {});
  }

  /** @throws What a client rejects with before anything is sent. */
  #make(
    action: "call" | "stream" | "notify",
    { procedure, input, options, timeoutMs: defaultMs }: {
      readonly procedure: string;
      readonly input: unknown;
      readonly options: CallOptions;
      readonly timeoutMs: number;
    },
  ): LocalRequest {
    const calledAt = performance.now();
    checkProcedureName(action, procedure);
    checkCallOptions(action, options);
    const signals = signalsOf(options);
    for (const signal of signals) signal.throwIfAborted();
    const { headers, priority } = options;
    const timeoutMs = timeLeftMs(options, defaultMs);
    const context = new LocalContext({
      procedure,
      deadline: action === "notify" ? undefined : Date.now() + timeoutMs,
      headers: headers === undefined ? NO_HEADERS : checkMessageHeaders(action, headers),
    });
    const encoded = this.#encode(action, procedure, input);
    return {
      context,
      request: { procedure, ...encoded, context, priority },
      options,
      signals,
      timeoutMs,
      calledAt,
    };
  }

  #encode(
    action: string,
    procedure: string,
    input: unknown,
  ): Pick<EncodedRequest, "body" | "contentType"> {
    const codec = codecOf(input, this.#options.codecs[0] ?? jsonCodec);
    try {
      const body = codec.encode(input);
      const bytes = typeof body === "string" ? encoder.encode(body) : new Uint8Array(body);
      return { body: bytes, contentType: codec.contentType };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const { code, message } = error;
      const subject = `Cannot ${action} "${procedure}" as its input`;
      throw new RpcError(code, `${subject} cannot be encoded: ${message}`, { cause: error });
    }
  }

  /** Starts the handler after the turn of its caller, as a server would; its reply never rejects. */
  #start({ context, request }: LocalRequest, sink: ItemSink | undefined): RunningRequest {
    let running: RunningRequest | undefined;
    let granted = 0;
    const run = async (): Promise<EncodedReply> => {
      await Promise.resolve();
      try {
        context.throwIfCancelled();
        const handler = this.#options.handlers.get(request.procedure);
        if (handler === undefined) throw noSuchProcedure(request.procedure);
        if (sink === undefined) return await handler.handle(request);
        if (handler.start === undefined) throw noItems(request.procedure);
        running = handler.start(request, sink);
        if (granted > 0) running.grant(granted);
        return await running.reply;
      } catch (error) {
        return encodeError(error);
      }
    };
    return {
      reply: callScope.run({ context }, run),
      grant(count) {
        if (running === undefined) granted += count;
        else running.grant(count);
      },
    };
  }

  /** The reply, or the end of its caller's patience; the handler is told of that, and so is `onEnd`. */
  async #untilEnd(
    call: LocalRequest,
    reply: Promise<EncodedReply>,
    onEnd: (reason: unknown) => void = () => {},
  ): Promise<EncodedReply> {
    const { context, signals, timeoutMs } = call;
    const { procedure } = context;
    const end = Promise.withResolvers<never>();
    const endWith = (reason: unknown, told: unknown) => {
      onEnd(reason);
      context.abort(told);
      end.reject(reason);
    };
    const abort = () => {
      const message = `Cannot complete "${procedure}" as its caller has cancelled it`;
      const reason: unknown = signals.find((signal) => signal.aborted)?.reason;
      endWith(reason, new RpcError("cancelled", message));
    };
    for (const signal of signals) signal.addEventListener("abort", abort);
    const timer = setTimeout(() => {
      const report = { call: this.#report(call, "running") };
      endWith(new RpcTimeoutError(procedure, timeoutMs, report), deadlinePassed());
    }, timeoutMs);
    try {
      return await Promise.race([reply, end.promise]);
    } finally {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", abort);
    }
  }

  #read(call: LocalRequest, reply: EncodedReply): unknown {
    const { context: { procedure, replyHeaders }, options: { onReply } } = call;
    const headers = { ...replyHeaders, ...reply.headers };
    if (onReply !== undefined) safeObserver(onReply)({ headers });
    const value = this.#decode(reply);
    if (reply.type === "output") return value;
    const report = { call: this.#report(call, "replied") };
    throw new RpcRemoteError(procedure, readErrorDescription(value), report);
  }

  #decode({ body, contentType }: Pick<EncodedItem, "body" | "contentType">): unknown {
    const codec = codecFor(contentType, this.#options.codecs);
    if (codec !== undefined) return codec.decode(body);
    const reason = `there is no codec for content type "${contentType}"`;
    throw new RpcError("undecodable", `Cannot decode what came as ${reason}`);
  }

  #report({ context: { procedure }, calledAt }: LocalRequest, phase: CallPhase): CallReport {
    const elapsedMs = performance.now() - calledAt;
    return { procedure, queue: this.#options.place, elapsedMs, phase };
  }

  #progressSink(onProgress: (value: unknown) => void): ItemSink {
    // In the caller's context, and not in that of the handler.
    const tell = AsyncLocalStorage.bind((item: EncodedItem) => onProgress(this.#decode(item)));
    const observe = safeObserver(tell);
    return { onProgress: (item) => queueMicrotask(() => observe(item)) };
  }
}

function deadlinePassed(): DOMException {
  return new DOMException("The deadline of the call has passed", "TimeoutError");
}

function noSuchProcedure(name: string): RpcError {
  const message = `Cannot run "${name.slice(0, 80)}" as there is no such procedure`;
  return new RpcError("unknown-procedure", message);
}

function noItems(procedure: string): RpcError {
  return new RpcError(
    "not-a-stream",
    `Cannot stream "${procedure}", or tell its progress, as its handler does neither`,
  );
}
