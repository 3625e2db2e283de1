/**
 * Workers that are threads: module Web Workers.
 *
 * @module
 */

import type { HostListener, WorkerHost } from "./host.ts";
import { lifeLockReleased } from "./life_lock.ts";
import { readText, writeText } from "../wire/message_text.ts";
import { ControlBlock, type PoolMessage, type WorkerMessage } from "../wire/protocol.ts";

/** Messages may still be on their way when the lock of a dead worker is released. */
const LAST_WORDS_MS = 20;

/**
 * Starts a Web Worker that loads a worker file.
 *
 * @param url The absolute URL of the worker file.
 * @param listener Who hears from the worker.
 * @returns The worker, which is not ready yet.
 */
export function startThread(url: string, listener: HostListener): WorkerHost {
  return new ThreadHost(url, listener).start();
}

class ThreadHost implements WorkerHost {
  readonly control: ControlBlock = new ControlBlock();
  readonly #url: string;
  readonly #listener: HostListener;
  readonly #ended = Promise.withResolvers<void>();
  #worker: Worker | undefined;
  #isBooted = false;
  /** Whether the pool is to hear of this worker no more. */
  #isSilenced = false;

  constructor(url: string, listener: HostListener) {
    this.#url = url;
    this.#listener = listener;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  start(): this {
    const entry = new URL("../worker/thread_main.ts", import.meta.url);
    const worker = new Worker(entry, { type: "module", name: this.#url });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<string | readonly WorkerMessage[]>) => {
      // The other end is this package's own code.
      this.#receive(typeof data === "string" ? readText(data) as WorkerMessage[] : data);
    };
    worker.onerror = (event) => {
      // Without this, an error in a worker ends the whole process.
      event.preventDefault();
      this.#die(`uncaught error: ${event.message}`);
    };
    worker.onmessageerror = () => this.#die("it sent a message that cannot be read");
    return this;
  }

  post(messages: readonly PoolMessage[], transfer: readonly ArrayBuffer[]): void {
    if (transfer.length > 0) return this.#worker?.postMessage(messages, [...transfer]);
    this.#worker?.postMessage(writeText(messages) ?? messages);
  }

  terminate(): void {
    this.#isSilenced = true;
    this.#worker?.terminate();
    // No lock is held yet, nor did any of the user's code run that could go on.
    if (!this.#isBooted) this.#ended.resolve();
  }

  #receive(messages: readonly WorkerMessage[]): void {
    if (this.#isSilenced) return;
    const [first] = messages;
    if (first?.type === "booted") return this.#load(first.lockName);
    this.#listener.onMessages(messages);
    const last = messages.at(-1);
    if (last?.type === "ending") this.#die(last.reason);
  }

  #load(lockName: string): void {
    this.#isBooted = true;
    const { memory } = this.control;
    // Shared memory is no text.
    this.#worker?.postMessage([{ type: "load", url: this.#url, control: memory }]);
    lifeLockReleased(lockName).then(() => this.#onEnded(), () => this.#onEnded());
  }

  #onEnded(): void {
    this.#ended.resolve();
    if (!this.#isSilenced) setTimeout(() => this.#die("it ended without a word"), LAST_WORDS_MS);
  }

  #die(reason: string): void {
    if (this.#isSilenced) return;
    this.terminate();
    this.#listener.onDeath(reason);
  }
}
