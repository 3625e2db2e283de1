/** Requests of calls: what a client is asked for, checked, completed and encoded. @module */

import { type Body, type Codec, codecOf } from "../../codec.ts";
import { type CallReport, RpcError } from "../../errors.ts";
import type { HeaderValue, MessageHeaders } from "../../contract.ts";
import type { CallOptions, ReplyDetails } from "../../caller.ts";
import type { CallStep, InterceptedCall } from "../../options/interceptors.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import { callScope } from "../call_scope.ts";
import type { RpcClientOptions } from "../../options/client_options.ts";
import { checkBodySize, checkProcedureName, describeValue } from "../check.ts";
import { isPrintable, isShortText, MAX_SHORT_TEXT_BYTES } from "../text.ts";
import { checkMessageHeaders, NO_HEADERS } from "../message_headers.ts";
import { safeObserver } from "../observer.ts";
import type { IncomingItem, OutgoingRequest } from "../protocol/envelope.ts";
import { checkCallOptions, signalsOf, timeLeftMs } from "../callers/call_options.ts";
import { validate } from "../validate.ts";
import type { ClientSettings } from "./client_settings.ts";

/** A call, a stream or a notification: its request, and how its client waits for the outcome. */
export interface CallRequest extends OutgoingRequest {
  /** A notification is done when the broker has its request, the others when their reply arrives. */
  readonly kind: "call" | "stream" | "notify";
  /** When it was called, by `performance.now()`. */
  readonly calledAt: number;
  readonly timeoutMs: number;
  /** Each of them ends the call when it aborts. */
  readonly signals: readonly AbortSignal[];
  /** Takes what comes before the last reply, if the caller wants it. */
  readonly sink: CallSink | undefined;
  /** Told what the last reply says beside its body, if the caller wants to know. Never throws. */
  readonly onReply: ((reply: ReplyDetails) => void) | undefined;
  /** Told how far it has come, if an interceptor wants to know. Never throws, and returns before user code runs. */
  readonly onStep: ((step: CallStep) => void) | undefined;
}

/** Takes what comes before the last reply of a call. */
export interface CallSink {
  /** Present for a stream: how many items may come at first. */
  readonly credits?: number;
  readonly wantsProgress: boolean;
  /** Takes an item or a progress; runs inside amqplib's callback. */
  accept(item: IncomingItem, reply: AmqpDelivery): void;
  /** Told at once when the caller does not want the call any more. */
  onAbandoned?(reason: unknown): void;
}

/** What the methods of a client differ in. */
export type CallParts =
  & Pick<CallRequest, "kind" | "procedure" | "correlationId">
  & Partial<Pick<CallRequest, "sink" | "callback" | "idleTimeoutMs" | "onStep">>;

/** The settings of its client that a request depends on. */
type RequestSettings =
  | "timeoutMs"
  | "maxBodyBytes"
  | "inputs"
  | "batching"
  | "forwardHeaders"
  | "onEvent"
  | "isObserved";

/** Makes requests, with the settings of one client. */
export class RequestMaker {
  readonly #settings: Pick<ClientSettings, RequestSettings>;
  /** Writes inputs. */
  readonly #codec: Codec;
  readonly #route: CallRoute;
  /** Keys are those of this client, however often it connects anew. */
  readonly #caller: string;

  constructor(settings: ClientSettings) {
    this.#caller = settings.callerId ?? crypto.randomUUID();
    this.#settings = settings;
    this.#codec = settings.codec;
    this.#route = new CallRoute(settings);
  }

  /**
   * Which queue a call takes.
   *
   * @throws As {@linkcode CallRoute.queueOf}.
   */
  queueOf(procedure: string, input: unknown): string {
    return this.#route.queueOf(procedure, input);
  }

  /** What interceptors see of a call. */
  intercepted(
    parts: CallParts,
    input: unknown,
    { headers = NO_HEADERS }: CallOptions,
  ): InterceptedCall {
    const { kind, procedure, correlationId } = parts;
    const queue = this.queueOf(procedure, input);
    return { kind, procedure, correlationId, queue, input, headers };
  }

  /**
   * Checks and completes the options of a call, and encodes its input.
   *
   * @throws {TypeError} If the procedure's name or an option cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `invalid-input`, `unencodable` or `too-large`.
   * @throws The reason of a signal that has aborted.
   */
  make(parts: CallParts, input: unknown, options: CallOptions): CallRequest {
    const calledAt = performance.now();
    const { kind, procedure, correlationId, sink, callback, idleTimeoutMs } = parts;
    checkProcedureName(kind, procedure);
    checkCallOptions(kind, options);
    const queue = this.queueOf(procedure, input);
    const { idempotent = true, immediate = false, priority, idempotencyKey, onReply } = options;
    const signals = signalsOf(options);
    for (const signal of signals) signal.throwIfAborted();
    const headers = this.#headers(kind, options);
    this.#checkInput(input, { ...parts, queue });
    const codec = codecOf(input, this.#codec);
    const body = this.#encode(input, codec, { ...parts, queue });
    const timeoutMs = timeLeftMs(options, this.#settings.timeoutMs);
    return {
      kind,
      calledAt,
      queue,
      procedure,
      body,
      contentType: codec.contentType,
      correlationId,
      timeoutMs,
      deadline: kind === "notify" ? undefined : Date.now() + timeoutMs,
      signals,
      immediate,
      idempotent,
      priority,
      idempotencyKey,
      caller: idempotencyKey === undefined ? undefined : this.#caller,
      callback,
      sink,
      idleTimeoutMs,
      credits: sink?.credits,
      wantsProgress: sink?.wantsProgress ?? false,
      headers,
      wantsTiming: this.#settings.isObserved,
      onReply: onReply && this.#safeOnReply(correlationId, onReply),
      onStep: parts.onStep && laterObserver(parts.onStep),
      // What is more than one request and one reply goes alone, and what must not be run again: of a
      // batch that comes again, nobody knows what has run.
      takesBatches: this.#settings.batching !== undefined && kind === "call" && idempotent &&
        !immediate && sink === undefined && callback === undefined,
    };
  }

  #checkInput(
    input: unknown,
    { kind, procedure, queue }: CallParts & Pick<CallRequest, "queue">,
  ): void {
    const { inputs } = this.#settings;
    const schema = Object.hasOwn(inputs, procedure) ? inputs[procedure] : undefined;
    if (schema === undefined) return;
    let checked: unknown;
    try {
      checked = validate(schema, input, { procedure, part: "input" });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const { code, message, details } = error;
      const call: CallReport = { procedure, queue, elapsedMs: 0, phase: "not-published" };
      throw new RpcError(code, message, { details, call });
    }
    if (!(checked instanceof Promise)) return;
    // What it says comes too late; nobody else waits for it.
    checked.catch(() => {});
    throw new TypeError(`Cannot ${kind} "${procedure}" as the schema of its input is asynchronous`);
  }

  /** What the caller has set, before what is inherited. */
  #headers(action: string, { headers }: CallOptions): MessageHeaders | undefined {
    const { forwardHeaders } = this.#settings;
    const own = headers && checkMessageHeaders(action, headers);
    const served = forwardHeaders && callScope.getStore()?.context.headers;
    if (forwardHeaders === undefined || served === undefined) return own;
    const inherited: Record<string, HeaderValue> = {};
    for (const name of forwardHeaders) {
      const value = served[name];
      if (value !== undefined && Object.hasOwn(served, name)) inherited[name] = value;
    }
    return checkMessageHeaders(action, { ...inherited, ...own });
  }

  #safeOnReply(
    correlationId: string,
    onReply: NonNullable<CallOptions["onReply"]>,
  ): CallRequest["onReply"] {
    const { onEvent } = this.#settings;
    return safeObserver(onReply, (error) => {
      onEvent({ type: "callback-failed", correlationId, error });
    });
  }

  #encode(
    input: unknown,
    codec: Codec,
    { kind, procedure, queue }: CallParts & Pick<CallRequest, "queue">,
  ): Body {
    const { maxBodyBytes } = this.#settings;
    const subject = `Cannot ${kind} "${procedure}" as its input`;
    const call: CallReport = { procedure, queue, elapsedMs: 0, phase: "not-published" };
    let body: Body;
    try {
      body = codec.encode(input);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const { code, message } = error;
      throw new RpcError(code, `${subject} cannot be encoded: ${message}`, { cause: error, call });
    }
    checkBodySize(body, maxBodyBytes, { subject, call });
    return body;
  }
}

/** For each of them the client has an exchange to look after. */
const MAX_QUEUES = 1_000;

/** Chooses queues for the calls of one client. */
class CallRoute {
  readonly #queue: string;
  readonly #route: RpcClientOptions["route"];
  /** Those that were chosen so far. */
  readonly #queues = new Set<string>();

  constructor({ queue, route }: Pick<RpcClientOptions, "queue" | "route">) {
    this.#queue = queue;
    this.#route = route;
  }

  /**
   * Gives the queue of a call.
   *
   * @throws {TypeError} If what was chosen is no name of a queue.
   * @throws {RangeError} If so many queues were chosen that they are likely made of inputs.
   * @throws What the user's function throws.
   */
  queueOf(procedure: string, input: unknown): string {
    const queue = this.#route?.(procedure, input) ?? this.#queue;
    if (queue === this.#queue || this.#queues.has(queue)) return queue;
    const subject = `Cannot call "${procedure}" as`;
    // It may be made of an input, which then must not write lines of its own into a log.
    const isName = typeof queue === "string" && isShortText(queue) && isPrintable(queue);
    if (!isName || queue === "") {
      const kind = `the name of a queue, of 1 to ${MAX_SHORT_TEXT_BYTES} bytes without control ` +
        "characters, or nothing";
      throw new TypeError(`${subject} "route" must return ${kind}: it is ${describeValue(queue)}`);
    }
    if (this.#queues.size >= MAX_QUEUES) {
      throw new RangeError(
        `${subject} "route" has named ${MAX_QUEUES} other queues already: choose by shardOf()`,
      );
    }
    this.#queues.add(queue);
    return queue;
  }
}

/** Steps happen inside amqplib's callbacks, where no code of the user's runs. */
function laterObserver(onStep: (step: CallStep) => void): (step: CallStep) => void {
  const observe = safeObserver(onStep);
  return (step) => queueMicrotask(() => observe(step));
}
