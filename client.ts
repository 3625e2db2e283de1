/**
 * The calling side: functions on the other side of a RabbitMQ queue, called with `await`.
 *
 * @module
 */

import { jsonCodec } from "./codec.ts";
import type { BrokerUrl, ConnectOptions } from "./connecting.ts";
import type { AnyContract, Contract, InputOf, OutputOf, ProcedureName } from "./contract.ts";
import { generate as newCorrelationId } from "./deps/std_uuid.ts";
import { RpcError } from "./errors.ts";
import type { RpcClientEvent } from "./events.ts";
import type { AmqpPublish } from "./internal/amqp.ts";
import { checkBodySize, DEFAULT_MAX_BODY_BYTES } from "./internal/body_size.ts";
import { disconnected, readReply, refused, unroutable } from "./internal/call_outcome.ts";
import { CallbackRegistry, type CallCallback } from "./internal/callback_registry.ts";
import { checkInteger, checkName } from "./internal/check.ts";
import { type ClientSession, openClientSession } from "./internal/client_session.ts";
import { resolveConnectOptions } from "./internal/connect_settings.ts";
import { Connection } from "./internal/connection.ts";
import { safeObserver } from "./internal/emit.ts";
import { requestMessage } from "./internal/envelope.ts";
import {
  type CallRequest,
  type IncomingReply,
  MAX_TIMEOUT_MS,
  type PendingCall,
  PendingCalls,
} from "./internal/pending_calls.ts";
import type { PublishOutcome } from "./internal/publisher.ts";

export type { CallCallback, CallResult } from "./internal/callback_registry.ts";

/** Options of {@linkcode RpcClient.connect}. */
export interface RpcClientOptions extends ConnectOptions {
  /** The request queue, where servers listen. It is not declared here: that is up to them. */
  readonly queue: string;
  /**
   * Time that a call has when it does not say so itself, in milliseconds, from 1 to 2147483647.
   *
   * @default {30_000}
   */
  readonly timeoutMs?: number;
  /**
   * Most calls that wait for their reply at a time. Further calls wait for a place, within their
   * own time.
   *
   * @default {10_000}
   */
  readonly maxPending?: number;
  /**
   * Largest body, in bytes, that is sent or accepted. RabbitMQ 4 takes 16 MiB unless told
   * otherwise.
   *
   * @default {16_777_216}
   */
  readonly maxBodyBytes?: number;
  /** Observes the connection and failing callbacks. What it throws is dropped. */
  readonly onEvent?: (event: RpcClientEvent) => void;
}

/** Options of {@linkcode RpcClient.call} and {@linkcode RpcClient.callAsync}. */
export interface CallOptions {
  /**
   * Time until the call rejects with `timeout`, in milliseconds. The clock starts at once, also
   * while there is no connection.
   *
   * @default {RpcClientOptions.timeoutMs}
   */
  readonly timeoutMs?: number;
  /** Rejects the call with the signal's reason when it aborts. */
  readonly signal?: AbortSignal;
  /**
   * Whether the request may be published again if the connection is lost, so that the handler may
   * run twice. With `false` the call rejects with `disconnected` instead.
   *
   * @default {true}
   */
  readonly idempotent?: boolean;
}

/** Options of {@linkcode RpcClient.notify}. */
export type NotifyOptions = Pick<CallOptions, "timeoutMs" | "signal">;

/** Options of {@linkcode RpcClient.close}. */
export interface RpcClientCloseOptions {
  /**
   * Time that pending calls have to end by themselves, in milliseconds. After it they reject with
   * `closed`.
   *
   * @default {5_000}
   */
  readonly graceMs?: number;
}

/** Counts of a client, for dashboards and tests. */
export interface RpcClientStats {
  /** Calls that wait for their reply. */
  readonly pending: number;
  /** Calls that wait for a place among the pending ones. */
  readonly waiting: number;
  /** Replies that were dropped because their call had already failed. */
  readonly lateReplies: number;
  /** Replies that were dropped because their call already had one. */
  readonly duplicateReplies: number;
  /** Replies that were dropped because no such call is known. */
  readonly unknownReplies: number;
}

/** The arguments after the procedure's name; the input may be left out where it may be undefined. */
export type CallArguments<Input, Options> = undefined extends Input
  ? [input?: Input, options?: Options]
  : [input: Input, options?: Options];

/**
 * Calls procedures of the servers that listen on one queue. Many calls are in flight at a time, on
 * one connection, with one callback queue.
 *
 * - A call settles exactly once, with the output or with an error that says why there is none.
 * - A lost connection is healed, and requests whose reply could no longer arrive are published
 *   again, within their deadline.
 *
 * @typeParam C The contract of the servers, such as `typeof procedures` of their code.
 *
 * @example A call
 * ```ts ignore because it needs a broker and a server
 * import { RpcClient } from "@warren/rpc";
 *
 * await using client = await RpcClient.connect("amqp://127.0.0.1", { queue: "rpc_queue" });
 * console.log(await client.call("fibonacci", 30));
 * ```
 */
export class RpcClient<C extends Contract = AnyContract> implements AsyncDisposable {
  readonly #queue: string;
  readonly #timeoutMs: number;
  readonly #maxBodyBytes: number;
  readonly #emit: (event: RpcClientEvent) => void;
  readonly #pendingCalls: PendingCalls;
  readonly #callbacks: CallbackRegistry;
  #connection: Connection<ClientSession> | undefined;
  #closed: RpcError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: RpcClientOptions) {
    const { timeoutMs = 30_000, maxPending = 10_000, maxBodyBytes = DEFAULT_MAX_BODY_BYTES } =
      options;
    checkName("connect", "queue", options.queue);
    checkInteger("connect", "timeoutMs", timeoutMs, { min: 1, max: MAX_TIMEOUT_MS });
    checkInteger("connect", "maxPending", maxPending, { min: 1 });
    checkInteger("connect", "maxBodyBytes", maxBodyBytes, { min: 1 });
    this.#queue = options.queue;
    this.#timeoutMs = timeoutMs;
    this.#maxBodyBytes = maxBodyBytes;
    this.#emit = safeObserver(options.onEvent);
    this.#pendingCalls = new PendingCalls(maxPending, (call) => this.#publish(call));
    this.#callbacks = new CallbackRegistry((correlationId, error) => {
      this.#emit({ type: "callback-failed", correlationId, error });
    });
  }

  /**
   * Connects to the broker.
   *
   * @typeParam C The contract of the servers.
   * @param url The broker's URL, or the URLs of a cluster's nodes.
   * @param options The request queue, limits and an observer.
   * @returns A connected client.
   * @throws {TypeError} If the URL or the queue's name cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`; the message names the
   * broker and the next step.
   */
  static async connect<C extends Contract = AnyContract>(
    url: BrokerUrl,
    options: RpcClientOptions,
  ): Promise<RpcClient<C>> {
    const client = new RpcClient<C>(options);
    const settings = resolveConnectOptions(url, options);
    client.#connection = await Connection.open<ClientSession>({
      ...settings,
      setUp: (connection) =>
        openClientSession(connection, (reply) => client.#pendingCalls.accept(reply)),
      onSession: () => client.#publishAll(),
      onGiveUp: (error) => client.#end(error),
      onEvent: (event) => {
        if (event.type === "disconnected") client.#rejectNonIdempotent(event.error);
        client.#emit(event);
      },
    });
    return client;
  }

  /** Calls that are not settled, those that wait for a place included. */
  get pending(): number {
    return this.#pendingCalls.size;
  }

  /** Counts calls and dropped replies. */
  stats(): RpcClientStats {
    return this.#pendingCalls.stats();
  }

  /**
   * Calls a procedure and waits for its output.
   *
   * @typeParam Name The procedure.
   * @param procedure The procedure's name.
   * @param rest The input, and the options of the call.
   * @returns The output.
   * @throws {RpcTimeoutError} If no reply arrived in time.
   * @throws {RpcRemoteError} If the handler threw, or the server could not run it.
   * @throws {RpcError} `unroutable`, `disconnected`, `overloaded`, `closed`, `unencodable`,
   * `undecodable` or `too-large`.
   * @throws The signal's reason, if it aborts.
   */
  async call<Name extends ProcedureName<C>>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, CallOptions>
  ): Promise<OutputOf<C, Name>> {
    const [input, options]: [unknown?, CallOptions?] = rest;
    const output = await this.#call(newCorrelationId(), procedure, input, options);
    // The contract is the caller's word for what the server returns.
    return output as OutputOf<C, Name>;
  }

  /**
   * Calls a procedure without waiting: the callback gets the result, exactly once. What the
   * callback throws goes to `onEvent` as `callback-failed`.
   *
   * @typeParam Name The procedure.
   * @param procedure The procedure's name.
   * @param input The input.
   * @param callback Gets `{ ok: true, output }` or `{ ok: false, error }`, never before this
   * method has returned.
   * @param options Timeout, signal, and whether it is idempotent.
   * @returns The correlation id, for {@linkcode RpcClient.cancel}.
   */
  callAsync<Name extends ProcedureName<C>>(
    procedure: Name,
    input: InputOf<C, Name>,
    callback: CallCallback<OutputOf<C, Name>>,
    options: CallOptions = {},
  ): string {
    if (typeof callback !== "function") {
      throw new TypeError(`Cannot call "${procedure}" as the callback is not a function`);
    }
    const correlationId = newCorrelationId();
    const outcome = this.#call(correlationId, procedure, input, options);
    // As in call(): the contract is the caller's word.
    this.#callbacks.add(correlationId, outcome, callback as CallCallback<unknown>);
    return correlationId;
  }

  /**
   * Takes the callback of a {@linkcode RpcClient.callAsync} out, so that it will not run.
   *
   * @param correlationId What `callAsync` returned.
   * @returns Whether the callback was still waiting.
   */
  cancel(correlationId: string): boolean {
    const wasWaiting = this.#callbacks.remove(correlationId);
    if (wasWaiting) {
      this.#pendingCalls.get(correlationId)?.reject(new RpcError("cancelled", "Cancelled"));
    }
    return wasWaiting;
  }

  /**
   * Sends a request that wants no reply.
   *
   * @typeParam Name The procedure.
   * @param procedure The procedure's name.
   * @param rest The input, and the options.
   * @returns When the broker has the request safely in its queue.
   * @throws {RpcError} As {@linkcode RpcClient.call}, without what the handler throws.
   */
  async notify<Name extends ProcedureName<C>>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, NotifyOptions>
  ): Promise<void> {
    const [input, options]: [unknown?, NotifyOptions?] = rest;
    const request = this.#request("confirm", newCorrelationId(), procedure, input, options);
    await this.#pendingCalls.add(request).reply;
  }

  /**
   * Refuses further calls, waits for the pending ones, and disconnects. May be called again.
   *
   * @param options How long to wait.
   * @returns When the connection is closed.
   */
  close(options: RpcClientCloseOptions = {}): Promise<void> {
    return this.#closing ??= this.#close(options);
  }

  /** Closes the client with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close({ graceMs = 5_000 }: RpcClientCloseOptions): Promise<void> {
    const closed = new RpcError("closed", "Cannot complete the call as the client is closed");
    this.#closed = closed;
    await this.#pendingCalls.drain(graceMs);
    this.#pendingCalls.rejectAll(closed);
    await this.#connection?.close();
  }

  #end(error: RpcError): void {
    this.#closed ??= error;
    this.#pendingCalls.rejectAll(error);
  }

  async #call(
    correlationId: string,
    procedure: string,
    input: unknown,
    options?: CallOptions,
  ): Promise<unknown> {
    const request = this.#request("reply", correlationId, procedure, input, options);
    return readReply(procedure, await this.#pendingCalls.add(request).reply, this.#maxBodyBytes);
  }

  #request(
    awaits: "reply" | "confirm",
    correlationId: string,
    procedure: string,
    input: unknown,
    options: CallOptions = {},
  ): CallRequest {
    const { timeoutMs = this.#timeoutMs, signal, idempotent = true } = options;
    checkName("call", "procedure", procedure);
    checkInteger("call", "timeoutMs", timeoutMs, { min: 1, max: MAX_TIMEOUT_MS });
    signal?.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    const body = jsonCodec.encode(input);
    checkBodySize(body, this.#maxBodyBytes, `Cannot call "${procedure}" as its input`);
    const { contentType } = jsonCodec;
    const call = { awaits, correlationId, procedure, body, contentType };
    return { ...call, timeoutMs, idempotent, signal };
  }

  #publish(call: PendingCall): void {
    const session = this.#connection?.session;
    // Without a session the call waits for the next one: see #publishAll().
    if (session === undefined) return;
    session.publisher.publish(() => this.#message(call, session)).then(
      (outcome) => this.#onPublished(call, outcome),
      (error) => call.reject(error),
    );
  }

  #message(call: PendingCall, session: ClientSession): AmqpPublish | undefined {
    if (call.isSettled) return undefined;
    const { request, deadline } = call;
    const isCall = request.awaits === "reply";
    return requestMessage({
      ...request,
      queue: this.#queue,
      replyTo: isCall ? session.replyQueue : undefined,
      deadline: isCall ? deadline : undefined,
      attempt: call.attempts++,
    });
  }

  #onPublished(call: PendingCall, outcome: PublishOutcome): void {
    const { procedure, awaits } = call.request;
    switch (outcome) {
      case "confirmed":
        if (awaits === "confirm") call.resolve(NO_REPLY);
        return;
      case "returned":
        return call.reject(unroutable(procedure, this.#queue));
      case "refused":
        return call.reject(refused(procedure, this.#queue));
      case "unknown":
      case "unsent":
        // The channel is gone; the next session publishes the call again, if it still waits.
        return;
    }
  }

  /** Replies can no longer arrive at the old session's queue, so all requests are published anew. */
  #publishAll(): void {
    for (const call of this.#pendingCalls.started()) this.#publish(call);
  }

  #rejectNonIdempotent(cause: Error): void {
    for (const call of this.#pendingCalls.started()) {
      const { idempotent, procedure } = call.request;
      if (idempotent || call.attempts === 0) continue;
      call.reject(disconnected(procedure, cause));
    }
  }
}

/** What a notification resolves with. */
const NO_REPLY: IncomingReply = { properties: {}, body: new Uint8Array() };
