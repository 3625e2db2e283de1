/**
 * The calling side: functions on the other side of a RabbitMQ queue, called with `await`.
 *
 * @module
 */

import type {
  BatchCall,
  BatchOptions,
  BatchOutputs,
  CallAsyncArguments,
  Caller,
  CallOptions,
  ClientApi,
  NotifyOptions,
  StreamOptions,
} from "./caller.ts";
import type {
  NamedCallback,
  NamedCallbackOptions,
  RpcClientCloseOptions,
  RpcClientOptions,
  RpcClientStats,
} from "./options/client_options.ts";
import { type RpcConnection, settingsOf } from "./connection.ts";
import type { Codec } from "./codec.ts";
import type { BrokerUrl } from "./options/connect_options.ts";
import type { RpcState } from "./options/events.ts";
import type { InterceptedCall } from "./options/interceptors.ts";
import type {
  AnyContract,
  CallArguments,
  Contract,
  ErrorsOf,
  InputOf,
  ItemOf,
  OutputOf,
  PlainNames,
  ProgressOf,
  StreamNames,
  WithMsgpack,
} from "./contract.ts";
import { RpcError, type RpcPromise } from "./errors.ts";
import { CallerWith } from "./internal/callers/caller_with.ts";
import { Batch, callInOrder, inOrder } from "./internal/callers/batch.ts";
import { type ApiCaller, clientApi } from "./internal/callers/client_api.ts";
import { CallbackTickets } from "./internal/calling/callback_tickets.ts";
import { Callbacks } from "./internal/calling/callbacks.ts";
import { type CallInterception, interceptCall } from "./internal/calling/call_interception.ts";
import { resolveStreamOptions, signalsOf, withInput } from "./internal/callers/call_options.ts";
import { type CallParts, RequestMaker } from "./internal/calling/call_request.ts";
import { ClientCalls } from "./internal/calling/client_calls.ts";
import { type ClientSettings, resolveClientOptions } from "./internal/calling/client_settings.ts";
import {
  ClientStream,
  type OpenStream,
  ProgressSink,
  readStream,
} from "./internal/calling/client_stream.ts";
import type { PendingCall } from "./internal/calling/pending_calls.ts";
import { ReplyReader } from "./internal/calling/reply_reader.ts";
import { checkOptions, optionsError, readGraceMs } from "./internal/check.ts";
import { NO_HEADERS } from "./internal/message_headers.ts";
import { newId as newCorrelationId, toPrintable } from "./internal/text.ts";
import { MAX_TIMEOUT_MS } from "./internal/time.ts";

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
export class RpcClient<C extends Contract = AnyContract> implements Caller<C>, AsyncDisposable {
  readonly #settings: ClientSettings;
  readonly #requests: RequestMaker;
  readonly #reader: ReplyReader;
  readonly #tickets: CallbackTickets;
  readonly #callbacks: Callbacks;
  readonly #calls: ClientCalls;
  #api: object | undefined;
  #closing: Promise<void> | undefined;
  /** Only a mark for the compiler; never set: one contract does not pass for another. */
  declare readonly "~contract": C;

  private constructor(settings: ClientSettings) {
    this.#settings = settings;
    this.#requests = new RequestMaker(settings);
    this.#reader = new ReplyReader(settings);
    this.#tickets = CallbackTickets.of(settings);
    this.#callbacks = new Callbacks({
      reader: this.#reader,
      tickets: this.#tickets,
      onFailure: (correlationId, error) => {
        settings.onEvent({ type: "callback-failed", correlationId, error });
      },
      onRefused: (id, error) => {
        // Anybody may have sent it.
        settings.onEvent({ type: "callback-refused", correlationId: toPrintable(id), error });
      },
      onUnknown: (name, reply) => this.#calls.leave(name, reply),
    });
    this.#calls = new ClientCalls(settings, this.#callbacks, this.#reader);
  }

  /**
   * Connects to the broker.
   *
   * @typeParam C The contract of the servers.
   * @param place The broker's URL, the URLs of a cluster's nodes, or a connection to share.
   * @param options The request queue, limits and an observer.
   * @returns A connected client.
   * @throws {TypeError} If the URL or an option cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`; the message names the
   * broker and the next step.
   */
  static connect<C extends Contract = AnyContract>(
    place: BrokerUrl | RpcConnection,
    options: RpcClientOptions<C & WithMsgpack> & { readonly codecs: readonly Codec[] },
  ): Promise<RpcClient<C & WithMsgpack>>;
  /** Connects to the broker; inputs travel as JSON. */
  static connect<C extends Contract = AnyContract>(
    place: BrokerUrl | RpcConnection,
    options: RpcClientOptions<C>,
  ): Promise<RpcClient<C>>;
  static async connect<C extends Contract>(
    place: BrokerUrl | RpcConnection,
    options: RpcClientOptions,
  ): Promise<RpcClient<C>> {
    const client = new RpcClient<C>(resolveClientOptions(settingsOf(place), options));
    await client.#calls.open();
    return client;
  }

  /**
   * The procedures as members: `client.api.users.get(input, options)` calls `users.get`, and
   * `for await (const prime of client.api.primes(100))` reads a stream.
   */
  get api(): ClientApi<C> {
    // Names are members that are made as they are asked for.
    return (this.#api ??= clientApi(this as unknown as ApiCaller)) as ClientApi<C>;
  }

  /**
   * Gives a caller whose calls all have these options, for what one program does on somebody's behalf:
   * `client.with({ headers: { tenant: "7" } })`. Nothing is to be closed.
   *
   * @param options Headers beside those of each call; a signal beside its own; and the call that they
   * are made for, unless they say so themselves.
   * @returns The caller, with the same procedures.
   * @throws {TypeError} If an option cannot be used.
   * @throws {RangeError} If the headers take too many bytes.
   */
  with(options: Pick<CallOptions, "headers" | "signal" | "context">): Caller<C> {
    // It knows no contract: both are the same but for their types.
    return new CallerWith(this as unknown as Caller, options) as unknown as Caller<C>;
  }

  /** Calls that are not settled, those that wait for a place included. */
  get pending(): number {
    return this.#calls.pending.size;
  }

  /** What the client is at, since when, and why: to be shown, or asked by a probe. */
  get state(): RpcState<"connected"> {
    return this.#settings.watch.state;
  }

  /** Counts calls and dropped replies. */
  stats(): RpcClientStats {
    return this.#calls.pending.stats();
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
  call<Name extends PlainNames<C> & string>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, CallOptions<ProgressOf<C, Name>>>
  ): RpcPromise<OutputOf<C, Name>, ErrorsOf<C, Name>> {
    // The contract says what the server takes and gives; it is not checked at run time.
    const [input, options = {}] = rest as [unknown?, CallOptions?];
    return this.#call(procedure, input, options) as Promise<OutputOf<C, Name>>;
  }

  /**
   * Calls a procedure without waiting: the callback gets the result, exactly once. What the
   * callback throws goes to `onEvent` as `callback-failed`.
   *
   * @typeParam Name The procedure.
   * @param procedure The procedure's name.
   * @typeParam Context What a callback by name is given along with the result.
   * @param rest The input, which may be left out before a function if there is none; the callback; and
   * the options. The callback gets `{ ok: true, output }` or `{ ok: false, error }`, never before this
   * method has returned. The name of a registered callback instead of a function lets the reply
   * find it after a restart, if the reply queue is durable: then it runs at least once.
   * @returns The correlation id, for {@linkcode RpcClient.cancel}.
   * @throws {TypeError} If the callback is neither a function nor the name of one, there are no
   * `callbackKeys` for a name, or the options are no object.
   */
  callAsync<Name extends PlainNames<C> & string, Context = unknown>(
    procedure: Name,
    ...rest: CallAsyncArguments<C, Name, NamedCallbackOptions<Context, ProgressOf<C, Name>>, string>
  ): string {
    // As in call(): the contract is not checked at run time.
    const [input, given, options = {}] = withInput<NamedCallbackOptions>(rest);
    checkOptions("call", options);
    const correlationId = newCorrelationId();
    const { callbackContext: context } = options;
    const run = this.#callbacks.bind(given, { correlationId, procedure, context });
    const queue = this.#requests.queueOf(procedure, input);
    const ticketOf = this.#tickets.writerFor({ name: given, procedure, queue }, options);
    const ticket = ticketOf(correlationId);
    const sink = this.#progressSink(correlationId, options);
    const parts = { kind: "call", procedure, correlationId, sink, callback: ticket } as const;
    // It never rejects.
    void this.#callbacks.run(correlationId, run, {
      start: (changed) => {
        const callback = changed ? ticketOf(changed.correlationId, changed.headers) : ticket;
        return this.#start({ ...parts, callback }, changed ?? { input }, options);
      },
      around: this.#around(parts, input, options),
    });
    return correlationId;
  }

  /**
   * Registers a callback by name, for {@linkcode RpcClient.callAsync}. Replies that arrived for it
   * while the client was away are handed to it now. Register it within 5 s after connecting:
   * `unknownCallbacks` says what becomes of replies whose callback is not registered by then.
   *
   * @typeParam Name The procedure whose calls it is for, which types their output:
   * `registerCallback<"add">("done", …)`.
   * @typeParam Context What these calls have as `callbackContext`.
   * @param name Its name, the same after every start.
   * @param callback Gets the result, and the context that the call was sent with.
   * @throws {TypeError} If there is one of that name, it is no function, or there are no
   * `callbackKeys`.
   */
  registerCallback<Name extends PlainNames<C> & string = never, Context = unknown>(
    name: string,
    callback: NamedCallback<[Name] extends [never] ? unknown : OutputOf<C, Name>, Context>,
  ): void {
    // What it is given comes from calls of its name: that they fit is their program's promise.
    this.#callbacks.register(name, callback as NamedCallback);
  }

  /**
   * Takes the callback of a {@linkcode RpcClient.callAsync} out, so that it will not run, and tells
   * the server to stop working on the call.
   *
   * @param correlationId What `callAsync` returned.
   * @returns Whether the callback was still waiting.
   */
  cancel(correlationId: string): boolean {
    if (!this.#callbacks.remove(correlationId)) return false;
    const message = "Cannot complete the call as it was cancelled";
    this.#calls.pending.get(correlationId)?.abandon(new RpcError("cancelled", message));
    return true;
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
  async notify<Name extends PlainNames<C> & string>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, NotifyOptions>
  ): Promise<void> {
    const [input, options = {}]: [unknown?, NotifyOptions?] = rest;
    checkOptions("notify", options);
    const parts = { kind: "notify", procedure, correlationId: newCorrelationId() } as const;
    await this.#perform(parts, input, options);
  }

  /**
   * Calls a procedure that is a generator and reads its items while it runs. Leaving the loop, an
   * abort and {@linkcode RpcClient.close} end it at once, also while an item is waited for: the
   * server is told to stop, and what has come and was not read is dropped.
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
  stream<Name extends StreamNames<C>>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, StreamOptions<ProgressOf<C, Name>>>
  ): AsyncGenerator<ItemOf<OutputOf<C, Name>>, void, undefined> {
    // As in call(): the contract is not checked at run time.
    const [input, options = {}] = rest as [unknown?, StreamOptions?];
    const items = readStream(() => this.#openStream(procedure, input, options));
    return items as AsyncGenerator<ItemOf<OutputOf<C, Name>>, void, undefined>;
  }

  /**
   * Calls one procedure with many inputs, so many at a time. The first failure ends the batch and
   * cancels what is under way; so do leaving the loop, an abort and {@linkcode RpcClient.close}, at
   * once, and no output comes after them.
   *
   * @typeParam Name The procedure.
   * @param procedure The procedure's name.
   * @param inputs The inputs, taken as they are needed.
   * @param options Concurrency, and a time and a signal for the whole batch.
   * @returns The outputs, in the order of the inputs; `Array.fromAsync` makes an array of them.
   * @throws As {@linkcode RpcClient.call}.
   */
  map<Name extends PlainNames<C> & string>(
    procedure: Name,
    inputs: Iterable<InputOf<C, Name>> | AsyncIterable<InputOf<C, Name>>,
    options: BatchOptions = {},
  ): AsyncGenerator<OutputOf<C, Name>, void, undefined> {
    return inOrder(inputs, () => {
      const batch = new Batch(options, this.#settings.timeoutMs);
      return {
        concurrency: batch.concurrency,
        // As in call(): the contract is not checked at run time.
        start: (input) =>
          batch.run((options) =>
            this.#call(procedure, input, options) as Promise<OutputOf<C, Name>>
          ),
        check: () => {
          batch.throwIfAborted();
          this.#calls.throwIfEnded(procedure);
        },
        onLeft: () => batch[Symbol.dispose](),
      };
    });
  }

  /**
   * Calls several procedures, so many at a time, and waits for all outputs. The first failure
   * rejects the batch and cancels what is under way.
   *
   * @typeParam Names The procedures.
   * @param calls Pairs of a procedure's name and its input.
   * @param options Concurrency, and a time and a signal for the whole batch.
   * @returns The outputs, in the order of the calls.
   * @throws As {@linkcode RpcClient.call}.
   */
  async callAll<const Names extends readonly PlainNames<C>[]>(
    calls: { readonly [Index in keyof Names]: BatchCall<C, Names[Index]> },
    options: BatchOptions = {},
  ): Promise<BatchOutputs<C, Names>> {
    const outputs = await callInOrder(calls, options, {
      timeoutMs: this.#settings.timeoutMs,
      call: (procedure, input, options) => this.#call(procedure, input, options),
    });
    // As in call(): the contract is not checked at run time.
    return outputs as BatchOutputs<C, Names>;
  }

  /**
   * Refuses further calls, waits for the pending ones, and disconnects. Streams and loops over
   * {@linkcode RpcClient.map} end at once with `closed`. May be called again.
   *
   * @param options How long to wait.
   * @returns When the connection is closed.
   * @throws {TypeError} If the options are no object; then nothing is closed.
   * @throws {RangeError} If `graceMs` is not a number of at least 0; nor then.
   */
  close(options: RpcClientCloseOptions = {}): Promise<void> {
    const graceMs = readGraceMs("close", options, 5_000);
    if (typeof graceMs !== "number") return Promise.reject(graceMs);
    return this.#closing ??= this.#close(graceMs);
  }

  /** Closes the client with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    this.#callbacks.close();
    await this.#settings.watch.closing(this.#calls.close(graceMs));
  }

  #openStream(procedure: string, input: unknown, options: StreamOptions): OpenStream {
    checkOptions("stream", options);
    const { credits, idleTimeoutMs } = resolveStreamOptions(options, this.#settings.timeoutMs);
    const correlationId = newCorrelationId();
    const sink = new ClientStream({
      correlationId,
      procedure,
      credits,
      idleTimeoutMs,
      progress: this.#progressSink(correlationId, options),
      calls: this.#calls,
      reader: this.#reader,
      isIdempotent: options.idempotent ?? true,
      onTakenOver: (items) => {
        this.#settings.onEvent({ type: "stream-restarted", correlationId, procedure, items });
      },
    });
    const parts = { kind: "stream", procedure, correlationId, sink, idleTimeoutMs } as const;
    const all = { timeoutMs: MAX_TIMEOUT_MS, ...options };
    const around = this.#around(parts, input, options);
    if (around === undefined) {
      const call = this.#start(parts, { input }, all);
      return (wake) => sink.connect(call, wake);
    }
    return (wake) => sink.connectAround(around, (call) => this.#start(parts, call, all), wake);
  }

  /** Starts a call that interceptors may have changed. */
  #start(
    parts: CallParts,
    { input, correlationId = parts.correlationId, headers, onStep }: Partial<InterceptedCall>,
    options: CallOptions,
  ): PendingCall {
    const all = headers === undefined ? options : { ...options, headers };
    return this.#calls.start(this.#requests.make({ ...parts, correlationId, onStep }, input, all));
  }

  #call(procedure: string, input: unknown, options: CallOptions): Promise<unknown> {
    const error = optionsError("call", options);
    if (error !== undefined) return Promise.reject(error);
    const plain = this.#calls.plain?.call(procedure, input, options);
    if (plain !== undefined) return plain;
    const correlationId = newCorrelationId();
    const sink = this.#progressSink(correlationId, options);
    return this.#perform({ kind: "call", procedure, correlationId, sink }, input, options);
  }

  /** By way of the interceptors, if there are any. */
  #perform(parts: CallParts, input: unknown, options: CallOptions): Promise<unknown> {
    const around = this.#around(parts, input, options);
    if (around === undefined) return this.#send(parts, input, options);
    return around(({ correlationId, input, headers, onStep }) => {
      const all = headers === NO_HEADERS ? options : { ...options, headers };
      if (correlationId === parts.correlationId) {
        return this.#send({ ...parts, onStep }, input, all);
      }
      const sink = this.#progressSink(correlationId, options);
      return this.#send({ ...parts, correlationId, sink, onStep }, input, all);
    });
  }

  /** What is around a call; nothing, unless there are interceptors. */
  #around(parts: CallParts, input: unknown, options: CallOptions): CallInterception | undefined {
    const { interceptors } = this.#settings;
    if (interceptors === undefined) return undefined;
    return async (make) => {
      const call = this.#requests.intercepted(parts, input, options);
      return await interceptCall(interceptors, call, { make, signals: signalsOf(options) });
    };
  }

  #send(parts: CallParts, input: unknown, options: CallOptions): Promise<unknown> {
    try {
      return this.#reader.outcomeOf(this.#calls.start(this.#requests.make(parts, input, options)));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #progressSink(correlationId: string, { onProgress }: CallOptions): ProgressSink | undefined {
    if (onProgress === undefined) return undefined;
    const { onFailure } = this.#callbacks;
    return new ProgressSink({ correlationId, reader: this.#reader, onProgress, onFailure });
  }
}

/** A client of a server, or of what else has a contract: `ClientOf<typeof server>`. */
export type ClientOf<Server extends { readonly "~contract": Contract }> = RpcClient<
  Server["~contract"]
>;
