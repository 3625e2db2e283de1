/**
 * The calling side: functions on the other side of a RabbitMQ queue, called with `await`.
 *
 * @module
 */

import type {
  BatchCall,
  BatchOptions,
  BatchOutputs,
  CallArguments,
  CallOptions,
  NamedCallbackOptions,
  NotifyOptions,
  RpcClientCloseOptions,
  RpcClientOptions,
  RpcClientStats,
  StreamOptions,
} from "./options/client_options.ts";
import type { BrokerUrl } from "./options/connect_options.ts";
import type {
  AnyContract,
  Contract,
  InputOf,
  ItemOf,
  OutputOf,
  ProcedureName,
} from "./contract.ts";
import { generate as newCorrelationId } from "./deps/std_uuid.ts";
import { RpcError } from "./errors.ts";
import type { RpcClientEvent } from "./options/events.ts";
import { Batch } from "./internal/calling/batch.ts";
import { CallbackRegistry, type CallCallback } from "./internal/calling/callback_registry.ts";
import { ended } from "./internal/calling/call_outcome.ts";
import { CallStream, ProgressSink } from "./internal/calling/call_stream.ts";
import { Caller } from "./internal/calling/caller.ts";
import { checkInteger } from "./internal/check.ts";
import {
  type CallDraft,
  type CallSettings,
  type CallTerms,
  resolveCallSettings,
  resolveTerms,
  toRequest,
} from "./internal/calling/call_terms.ts";
import { resolveConnectOptions } from "./internal/broker/connect_settings.ts";
import { MAX_TIMEOUT_MS } from "./internal/time.ts";
import {
  acknowledgeAfter,
  type Arrival,
  type NamedReplyTakers,
  takeEarlierReply,
} from "./internal/calling/earlier_replies.ts";
import { safeObserver } from "./internal/observer.ts";
import { MAX_CREDITS } from "./internal/protocol/envelope.ts";
import { inOrder } from "./internal/calling/in_order.ts";
import {
  type NamedCallback,
  NamedCallbacks,
  writeTicket,
} from "./internal/calling/named_callbacks.ts";
import { OutputReader } from "./internal/calling/output_reader.ts";
import type { PendingCall } from "./internal/calling/pending_call.ts";

/**
 * Calls procedures of the servers that listen on one queue. Many calls are in flight at a time, on
 * one connection, with one callback queue.
 *
 * - A call settles exactly once, with the output or with an error that says why there is none.
 * - A lost connection is healed, and requests without a reply are published again, in time.
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
  readonly #settings: CallSettings;
  readonly #reader: OutputReader;
  readonly #caller: Caller;
  readonly #callbacks: CallbackRegistry;
  readonly #named: NamedCallbacks;
  #closing: Promise<void> | undefined;

  private constructor(settings: CallSettings, caller: Caller, takers: NamedReplyTakers) {
    this.#settings = settings;
    this.#caller = caller;
    this.#reader = takers.reader;
    this.#callbacks = takers.callbacks;
    this.#named = takers.named;
  }

  /**
   * Connects to the broker.
   *
   * @typeParam C The contract of the servers.
   * @param url The broker's URL, or the URLs of a cluster's nodes.
   * @param options The request queue, limits and an observer.
   * @returns A connected client.
   * @throws {TypeError} If the URL or a name cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`; the message names the
   * broker and the next step.
   */
  static async connect<C extends Contract = AnyContract>(
    url: BrokerUrl,
    options: RpcClientOptions,
  ): Promise<RpcClient<C>> {
    const { maxPending = 10_000, replyQueue = "exclusive", onEvent } = options;
    checkInteger("connect", { maxPending }, { min: 1 });
    const emit: (event: RpcClientEvent) => void = safeObserver(onEvent);
    const settings = resolveCallSettings(options);
    const takers: NamedReplyTakers = {
      reader: new OutputReader(settings, options),
      named: new NamedCallbacks(),
      callbacks: new CallbackRegistry((correlationId, error) => {
        emit({ type: "callback-failed", correlationId, error });
      }),
    };
    const caller = await Caller.open({
      ...resolveConnectOptions(url, options),
      maxPending,
      replyQueue,
      onEvent: emit,
      onNoExchanges: (error) => emit({ type: "returns-unavailable", error }),
      onEarlierReply: (callback, reply) => takeEarlierReply(takers, callback, reply),
    });
    return new RpcClient<C>(settings, caller, takers);
  }

  /** Calls that are not settled, those that wait for a place included. */
  get pending(): number {
    return this.#caller.size;
  }

  /** Counts calls and dropped replies. */
  stats(): RpcClientStats {
    return this.#caller.stats();
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
   * @throws {RpcError} See {@linkcode RpcErrorCode}.
   * @throws The signal's reason, if it aborts.
   */
  async call<Name extends ProcedureName<C>>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, CallOptions>
  ): Promise<OutputOf<C, Name>> {
    const [input, options]: [unknown?, CallOptions?] = rest;
    const output = await this.#call(procedure, input, resolveTerms(options ?? {}, this.#settings));
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
   * method has returned. The name of a registered callback instead of a function lets the reply
   * find it after a restart, if the reply queue is durable: then it runs at least once.
   * @param options Timeout, signal, and whether it is idempotent.
   * @returns The correlation id, for {@linkcode RpcClient.cancel}.
   * @throws {TypeError} If the callback is neither a function nor the name of one.
   */
  callAsync<Name extends ProcedureName<C>>(
    procedure: Name,
    input: InputOf<C, Name>,
    callback: CallCallback<OutputOf<C, Name>> | string,
    options: NamedCallbackOptions = {},
  ): string {
    const correlationId = newCorrelationId();
    const isNamed = typeof callback === "string";
    const ticket = isNamed ? this.#ticket(callback, procedure, options) : undefined;
    const { callbackContext: context } = options;
    const run = isNamed
      ? this.#named.bind(callback, { correlationId, procedure, context })
      : callback;
    if (typeof run !== "function") {
      throw new TypeError(`Cannot call "${procedure}" as the callback is not a function`);
    }
    const draft: CallDraft = { awaits: "reply", correlationId, procedure, input, callback: ticket };
    const arrival = this.#arrival(draft, () => resolveTerms(options, this.#settings));
    const outcome = arrival.then(({ call, reply }) => this.#reader.read(call, reply));
    // As in call(): the contract is the caller's word.
    const done = this.#callbacks.add(correlationId, outcome, run as CallCallback<unknown>);
    if (isNamed) acknowledgeAfter(done, arrival);
    return correlationId;
  }

  /**
   * Registers a callback by name, for {@linkcode RpcClient.callAsync}. Replies that arrived for it
   * while the client was away are handed to it now.
   *
   * @param name Its name, the same after every start.
   * @param callback Gets the result, and the context that the call was sent with.
   * @throws {TypeError} If there is one of that name.
   */
  registerCallback(name: string, callback: NamedCallback): void {
    this.#named.register(name, callback);
  }

  /**
   * Takes the callback of a {@linkcode RpcClient.callAsync} out, so that it will not run, and tells
   * the server to stop working on the call.
   *
   * @param correlationId What `callAsync` returned.
   * @returns Whether the callback was still waiting.
   */
  cancel(correlationId: string): boolean {
    const wasWaiting = this.#callbacks.remove(correlationId);
    if (wasWaiting) {
      const message = "Cannot complete the call as it was cancelled";
      this.#caller.abandon(correlationId, new RpcError("cancelled", message));
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
    const correlationId = newCorrelationId();
    const terms = resolveTerms(options ?? {}, this.#settings);
    await this.#start({ awaits: "confirm", correlationId, procedure, input }, terms).reply;
  }

  /**
   * Calls a procedure that is a generator and reads its items while it runs. Leaving the loop
   * cancels it.
   *
   * @typeParam Name The procedure.
   * @param procedure The procedure's name.
   * @param rest The input, and the options of the stream.
   * @returns The items, each once and in order.
   * @throws As {@linkcode RpcClient.call}; `not-a-stream` if the procedure is no generator.
   *
   * @example Reading a stream
   * ```ts ignore because it needs a broker and a server
   * import { RpcClient } from "@warren/rpc";
   *
   * await using client = await RpcClient.connect("amqp://127.0.0.1", { queue: "math" });
   * for await (const prime of client.stream("primes", 100)) console.log(prime);
   * ```
   */
  async *stream<Name extends ProcedureName<C>>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, StreamOptions>
  ): AsyncGenerator<ItemOf<OutputOf<C, Name>>, void, undefined> {
    const [input, options = {}]: [unknown?, StreamOptions?] = rest;
    const { credits = 64, idleTimeoutMs = this.#settings.timeoutMs } = options;
    checkInteger("stream", { credits }, { min: 1, max: MAX_CREDITS });
    checkInteger("stream", { idleTimeoutMs }, { min: 1, max: MAX_TIMEOUT_MS });
    const correlationId = newCorrelationId();
    const sink = new CallStream({
      procedure,
      credits,
      idleTimeoutMs,
      onProgress: this.#progressSink(correlationId, options.onProgress),
      grant: (creditTo, count) => this.#caller.grant(creditTo, correlationId, count),
      decode: (item) => this.#reader.decodeItem(item),
      readEnd: (reply) => this.#reader.read(call, reply),
    });
    const terms = resolveTerms({ timeoutMs: MAX_TIMEOUT_MS, ...options }, this.#settings);
    const draft: CallDraft = { awaits: "reply", correlationId, procedure, input, sink };
    const call = this.#start({ ...draft, idleTimeoutMs }, terms);
    // As in call(): the contract is the caller's word.
    yield* sink.read(call) as AsyncGenerator<ItemOf<OutputOf<C, Name>>>;
  }

  /**
   * Calls one procedure with many inputs, so many at a time. The first failure ends the batch and
   * cancels what is under way; so does leaving the loop.
   *
   * @typeParam Name The procedure.
   * @param procedure The procedure's name.
   * @param inputs The inputs, taken as they are needed.
   * @param options Concurrency, and one time and signal for the whole batch.
   * @returns The outputs, in the order of the inputs; `Array.fromAsync` makes an array of them.
   * @throws As {@linkcode RpcClient.call}.
   */
  async *map<Name extends ProcedureName<C>>(
    procedure: Name,
    inputs: Iterable<InputOf<C, Name>> | AsyncIterable<InputOf<C, Name>>,
    options: BatchOptions = {},
  ): AsyncGenerator<OutputOf<C, Name>, void, undefined> {
    const { concurrency = 64 } = options;
    checkInteger("call", { concurrency }, { min: 1 });
    using batch = new Batch(resolveTerms(options, this.#settings));
    yield* inOrder(inputs, concurrency, async (input) => {
      // As in call(): the contract is the caller's word.
      return await this.#call(procedure, input, batch.next()) as OutputOf<C, Name>;
    });
  }

  /**
   * Calls several procedures, so many at a time, and waits for all outputs. The first failure
   * rejects the batch and cancels what is under way.
   *
   * @typeParam Calls Pairs of a procedure's name and its input.
   * @param calls The calls.
   * @param options Concurrency, and one time and signal for the whole batch.
   * @returns The outputs, in the order of the calls.
   * @throws As {@linkcode RpcClient.call}.
   */
  async callAll<const Calls extends readonly BatchCall<C>[]>(
    calls: Calls,
    options: BatchOptions = {},
  ): Promise<BatchOutputs<C, Calls>> {
    const { concurrency = 64 } = options;
    checkInteger("call", { concurrency }, { min: 1 });
    using batch = new Batch(resolveTerms(options, this.#settings));
    const outputs = inOrder(calls, concurrency, ([procedure, input]) => {
      return this.#call(procedure, input, batch.next());
    });
    // As in call(): the contract is the caller's word.
    return await Array.fromAsync(outputs) as BatchOutputs<C, Calls>;
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
    // Their replies wait in the durable queue for the next start.
    for (const correlationId of this.#caller.releaseNamed()) this.#callbacks.remove(correlationId);
    await this.#caller.close(graceMs);
  }

  async #call(procedure: string, input: unknown, terms: CallTerms): Promise<unknown> {
    const correlationId = newCorrelationId();
    const sink = this.#progressSink(correlationId, terms.onProgress);
    const draft: CallDraft = { awaits: "reply", correlationId, procedure, input, sink };
    const { call, reply } = await this.#arrival(draft, () => terms);
    return await this.#reader.read(call, reply);
  }

  #progressSink(
    correlationId: string,
    onProgress: ((value: unknown) => void) | undefined,
  ): ProgressSink | undefined {
    if (onProgress === undefined) return undefined;
    return new ProgressSink((progress) => {
      this.#callbacks.guard(correlationId, () => onProgress(this.#reader.decodeItem(progress)));
    });
  }

  async #arrival(draft: CallDraft, terms: () => CallTerms): Promise<Arrival> {
    const call = this.#start(draft, terms());
    return { call, reply: await call.reply };
  }

  #start(draft: CallDraft, terms: CallTerms): PendingCall {
    const request = toRequest(draft, terms, this.#settings);
    const { ended: reason } = this.#caller;
    if (reason === undefined) return this.#caller.start(request);
    const { queue } = request;
    const { procedure } = draft;
    throw ended({ procedure, queue, elapsedMs: 0, phase: "not-published" }, reason);
  }

  #ticket(name: string, procedure: string, options: NamedCallbackOptions): string {
    const { callbackContext: context, immediate = false } = options;
    const { queue } = this.#settings;
    return writeTicket({ name, context, procedure, queue, immediate, startedAt: Date.now() });
  }
}
