/**
 * The entry file of every Web Worker of a pool: loads the user's worker file, and sees to it that
 * the pool is told of every end.
 *
 * @module
 */

import { holdLivenessLock } from "../wire/liveness_lock.ts";
import { readMessageText, writeMessageText } from "../wire/message_text.ts";
import {
  type BootedMessage,
  ControlBlock,
  type LoadMessage,
  type PoolMessage,
  WORKER_PORT,
  type WorkerMessage,
  type WorkerPort,
} from "../wire/protocol.ts";
import { installEndReport, showError } from "./end_report.ts";

/** What is used here of a Web Worker's global object. */
interface ThreadGlobal {
  [WORKER_PORT]?: WorkerPort;
  onmessage: ((event: MessageEvent<LoadMessage>) => void) | null;
  postMessage(message: BootedMessage): void;
  close(): void;
}
const scope: unknown = globalThis;
if (!isThread(scope)) {
  throw new TypeError("Cannot load a worker file as this is not a Web Worker");
}
const thread: ThreadGlobal = scope;
const close = thread.close.bind(thread);

/** A line of its own: the messages of the thread's global object are those of its tasks. */
class ThreadPort implements WorkerPort {
  readonly control: ControlBlock;
  readonly #port: MessagePort;
  /** Bound, as a task may replace the one of all ports, to hear the port's messages or forge some. */
  readonly #post: MessagePort["postMessage"];
  #messages: WorkerMessage[] = [];
  #transfer: ArrayBuffer[] = [];
  #state: "loading" | "listening" | "ending" = "loading";

  constructor({ port, control }: LoadMessage) {
    this.control = new ControlBlock(control);
    this.#port = port;
    this.#post = port.postMessage.bind(port);
  }

  /** Whether the worker file has called `expose()`. */
  get isListening(): boolean {
    return this.#state === "listening";
  }

  /** Whether the pool was told that this thread ends. */
  get isEnding(): boolean {
    return this.#state === "ending";
  }

  listen(receive: (message: PoolMessage) => void): void {
    this.#state = "listening";
    this.#port.onmessage = ({ data }: MessageEvent<string | readonly PoolMessage[]>) => {
      // The other end is this package's own code.
      const messages = typeof data === "string" ? readMessageText(data) as PoolMessage[] : data;
      messages.forEach(receive);
    };
  }

  send(message: WorkerMessage, transfer?: ArrayBuffer): void {
    this.#messages.push(message);
    if (transfer !== undefined) this.#transfer.push(transfer);
  }

  flush(): void {
    if (this.#messages.length === 0) return;
    const messages = this.#messages;
    const transfer = this.#transfer;
    this.#messages = [];
    this.#transfer = [];
    if (transfer.length > 0) return this.#post(messages, transfer);
    this.#post(writeMessageText(messages) ?? messages);
  }

  /** Tells that the worker ends. */
  end(reason: string): void {
    this.#state = "ending";
    this.send({ type: "ending", reason });
    this.flush();
  }

  /** Tells that the worker file cannot be used, whatever it has exposed. */
  refuse(reason: string): void {
    this.#messages = [{ type: "unusable", reason }];
    this.flush();
  }
}

// Messages that arrive before there is a listener are lost, so the pool waits for `booted`.
thread.onmessage = ({ data }) => {
  thread.onmessage = null;
  void load(data);
};
thread.postMessage({ type: "booted", lockName: await holdLivenessLock() });

/** Settles once the file has called `expose()`, or once the pool knows why it has not. */
async function load(message: LoadMessage): Promise<void> {
  const port = new ThreadPort(message);
  installEndReport((reason) => port.end(reason), close);
  thread[WORKER_PORT] = port;
  let reason = "the file never calls expose()";
  try {
    await import(message.url);
    if (port.isListening) return port.flush();
  } catch (error) {
    reason = showError(error);
  }
  port.refuse(reason);
}

/** A window's types and a worker's differ, and this file is checked with both. */
function isThread(scope: unknown): scope is ThreadGlobal {
  return typeof scope === "object" && scope !== null && "WorkerGlobalScope" in scope;
}
