/** Measures the calls of one variant, whose server and client are processes of their own. @module */

import { SideProcess } from "./side_process.ts";
import type { Variant } from "./variant.ts";

/** A client with a server; disposing of it kills both. */
export class CallCost implements AsyncDisposable {
  readonly #server: SideProcess;
  readonly #client: SideProcess;
  readonly #stack: AsyncDisposableStack;
  #ms = 0;
  #calls = 0;

  private constructor(server: SideProcess, client: SideProcess, stack: AsyncDisposableStack) {
    this.#server = server;
    this.#client = client;
    this.#stack = stack;
  }

  /**
   * Starts both.
   *
   * @param variant What both run.
   * @param url The broker's.
   */
  static async open(variant: Variant, url: string): Promise<CallCost> {
    await using stack = new AsyncDisposableStack();
    const queue = `cpu-${crypto.randomUUID()}`;
    const server = stack.use(await SideProcess.start("server", variant, [url, queue]));
    const client = stack.use(await SideProcess.start("client", variant, [url, queue]));
    return new CallCost(server, client, stack.move());
  }

  /** Processor time of a call, in microseconds, over all that was measured. */
  get microseconds(): number {
    return this.#ms / this.#calls * 1_000;
  }

  /** Makes calls that do not count. */
  async warmUp(calls: number): Promise<void> {
    await this.#client.call(calls);
  }

  /** Makes calls that count. */
  async measure(calls: number): Promise<void> {
    const before = await this.#client.call(0) + await this.#server.call(0);
    const client = await this.#client.call(calls);
    this.#ms += client + await this.#server.call(0) - before;
    this.#calls += calls;
  }

  /** Kills both processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
