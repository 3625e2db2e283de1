/** A client of callbacks by name that starts anew while its calls are under way. @module */

import type { CallOptions, NamedReply, RpcClient } from "../../mod.ts";
import type { CallbackOutcome, LoadClient } from "../load/load.ts";
import type { WorkInput } from "../load/work.ts";
import type { Scene } from "../scene.ts";

const CALLBACK = "settle";
/** How long a client that is to start anew may take to have its requests at the broker. */
const GRACE_MS = 30_000;

interface Start {
  readonly procedure: string;
  readonly input: WorkInput;
  readonly callback: Callback;
  readonly options: CallOptions;
}

type Callback = (outcome: CallbackOutcome) => void;

/**
 * Calls with one callback by name. Its replies go to a durable queue, and find their calls again after
 * each start: by what the callback is told, as a program would that keeps its state in a database.
 */
export class NamedClient implements LoadClient, AsyncDisposable {
  /** Replies that were refused, or whose callback was unknown. */
  refused = 0;
  /** Callbacks that ran for calls of an earlier start. */
  inherited = 0;
  /** Callbacks that ran once more, as they may. */
  repeated = 0;
  restarts = 0;
  readonly #scene: Scene;
  readonly #urls: readonly string[];
  readonly #name = crypto.randomUUID();
  /** Calls without an outcome, and the start that made them. */
  readonly #open = new Map<number, { readonly callback: Callback; readonly start: number }>();
  #calls = 0;
  #client: Promise<RpcClient>;

  private constructor(scene: Scene, urls: readonly string[]) {
    this.#scene = scene;
    this.#urls = urls;
    this.#client = this.#connect();
  }

  static async start(scene: Scene, urls: readonly string[]): Promise<NamedClient> {
    const client = new NamedClient(scene, urls);
    await client.#client;
    return client;
  }

  /** The queue of its replies. */
  get replyQueue(): string {
    return `rpc.replies.${this.#name}`;
  }

  /** Ends the client and starts another of the same name; calls wait for it meanwhile. */
  async restart(): Promise<void> {
    const ended = await this.#client;
    this.restarts++;
    this.#client = ended.close({ graceMs: GRACE_MS }).then(() => this.#connect());
    await this.#client;
  }

  callAsync(
    procedure: string,
    input: WorkInput,
    callback: Callback,
    options: CallOptions,
  ): void {
    this.#whenOpen().then((client) => this.#start(client, { procedure, input, callback, options }))
      .catch((error) => callback({ ok: false, error }));
  }

  async #whenOpen(): Promise<RpcClient> {
    for (;;) {
      const opening = this.#client;
      const client = await opening;
      // One that is being closed meanwhile takes no calls.
      if (opening === this.#client) return client;
    }
  }

  #start(client: RpcClient, { procedure, input, callback, options }: Start): void {
    const call = ++this.#calls;
    this.#open.set(call, { callback, start: this.restarts });
    client.callAsync(procedure, input, CALLBACK, { ...options, callbackContext: call });
  }

  /** The load of this client has callbacks only. */
  call(): Promise<unknown> {
    return Promise.reject(new TypeError("Cannot call as this client has callbacks only"));
  }

  notify(): Promise<void> {
    return Promise.reject(new TypeError("Cannot notify as this client has callbacks only"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#client.catch(() => undefined))?.close({ graceMs: 0 });
  }

  async #connect(): Promise<RpcClient> {
    for (;;) {
      try {
        return await this.#connectOnce();
      } catch (error) {
        // The broker may know the one before for some time.
        this.#scene.signal.throwIfAborted();
        if (!(error instanceof Error && "retryable" in error && error.retryable)) throw error;
        await this.#scene.pause(100);
      }
    }
  }

  async #connectOnce(): Promise<RpcClient> {
    const client = await this.#scene.connect(this.#urls, {
      replyQueue: { name: this.#name },
      callbackKeys: [this.#name],
      onEvent: ({ type }) => {
        if (type === "callback-refused" || type === "callback-unknown") this.refused++;
      },
    });
    client.registerCallback(CALLBACK, (result, reply) => this.#settle(result, reply));
    return client;
  }

  #settle(result: CallbackOutcome, { context }: NamedReply): void {
    const open = this.#open.get(Number(context));
    if (open === undefined) return void this.repeated++;
    this.#open.delete(Number(context));
    if (open.start !== this.restarts) this.inherited++;
    open.callback(result);
  }
}
