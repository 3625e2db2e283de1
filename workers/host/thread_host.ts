/**
 * Workers that are threads: module Web Workers.
 *
 * @module
 */

import { readMessageText, writeMessageText } from "../wire/message_text.ts";
import {
  type BootedMessage,
  ControlBlock,
  type LoadMessage,
  type PoolMessage,
  type WorkerMessage,
} from "../wire/protocol.ts";
import type { HostListener, WorkerHost } from "./host.ts";
import { livenessLockReleased } from "../wire/liveness_lock.ts";

const UNREADABLE = "it sent a message that cannot be read";

/** Messages may still be on their way when the lock of a dead worker is released. */
const LAST_MESSAGES_MS = 20;

/**
 * Starts a Web Worker that loads a worker file.
 *
 * @param url The absolute URL of the worker file.
 * @param listener Who is told of the worker.
 * @returns The worker, which is not ready yet.
 */
export function startThreadHost(url: string, listener: HostListener): WorkerHost {
  return new ThreadHost(url, listener).start();
}

class ThreadHost implements WorkerHost {
  readonly control: ControlBlock = new ControlBlock();
  readonly #url: string;
  readonly #listener: HostListener;
  readonly #channel = new MessageChannel();
  readonly #ended = Promise.withResolvers<void>();
  #worker: Worker | undefined;
  #lastMessages: ReturnType<typeof setTimeout> | undefined;
  /** Nothing of the user's runs before the worker is `loaded`; of one `left` nothing is told. */
  #state: "booting" | "loaded" | "left" = "booting";

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
    // What comes after the first message was posted by a task, and is nobody's.
    worker.onmessage = ({ data, ports }: MessageEvent<BootedMessage>) => {
      if (this.#state === "booting") return this.#load(data.lockName);
      // They would be open as long as this program.
      for (const port of ports) port.close();
    };
    worker.onerror = (event) => {
      // Without this, an error in a worker ends the whole process.
      event.preventDefault();
      this.#die(`uncaught error: ${event.message}`);
    };
    const port = this.#channel.port1;
    port.onmessage = ({ data }: MessageEvent<unknown>) => {
      const messages = readMessages(data);
      if (messages === undefined) this.#die(UNREADABLE);
      else this.#receive(messages);
    };
    port.onmessageerror = () => this.#die(UNREADABLE);
    return this;
  }

  post(messages: readonly PoolMessage[], transfer: readonly ArrayBuffer[]): void {
    const port = this.#channel.port1;
    if (transfer.length > 0) return port.postMessage(messages, [...transfer]);
    port.postMessage(writeMessageText(messages) ?? messages);
  }

  terminate(): void {
    if (this.#state === "left") return;
    // No lock is held yet, nor did any of the user's code run that could go on.
    if (this.#state === "booting") this.#ended.resolve();
    this.#state = "left";
    clearTimeout(this.#lastMessages);
    this.#worker?.terminate();
    this.#channel.port1.close();
    this.#channel.port2.close();
  }

  #receive(messages: readonly WorkerMessage[]): void {
    if (this.#state === "left") return;
    this.#listener.onMessages(messages);
    const last = messages.at(-1);
    if (last?.type === "ending") this.#die(String(last.reason));
  }

  #load(lockName: string): void {
    this.#state = "loaded";
    const { port2: port } = this.#channel;
    const message: LoadMessage = {
      type: "load",
      url: this.#url,
      control: this.control.memory,
      port,
    };
    this.#worker?.postMessage(message, [port]);
    livenessLockReleased(lockName).then(() => this.#onEnded(), () => this.#onEnded());
  }

  #onEnded(): void {
    this.#ended.resolve();
    if (this.#state === "left") return;
    this.#lastMessages = setTimeout(() => this.#die("it ended without a word"), LAST_MESSAGES_MS);
  }

  #die(reason: string): void {
    if (this.#state === "left") return;
    this.terminate();
    this.#listener.onDeath(reason);
  }
}

/**
 * The other end is this package's own code, but shares its built-ins with tasks: what these do to
 * them may end their worker, and never its owner.
 */
function readMessages(data: unknown): readonly WorkerMessage[] | undefined {
  try {
    const messages: unknown = typeof data === "string" ? readMessageText(data) : data;
    return Array.isArray(messages) ? messages : undefined;
  } catch {
    return undefined;
  }
}
