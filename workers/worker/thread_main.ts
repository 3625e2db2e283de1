/**
 * The entry file of every Web Worker of a pool: loads the user's worker file, and sees to it that
 * no death is silent.
 *
 * @module
 */

import { giveLastWords, showError } from "./end_report.ts";
import { holdLifeLock } from "../host/life_lock.ts";
import { readText, writeText } from "../wire/message_text.ts";
import {
  ControlBlock,
  type LoadMessage,
  type PoolMessage,
  WORKER_PORT,
  type WorkerMessage,
  type WorkerPort,
} from "../wire/protocol.ts";

/** What is used here of a Web Worker's global object. */
interface ThreadGlobal {
  [WORKER_PORT]?: WorkerPort;
  onmessage: ((event: MessageEvent<string | readonly PoolMessage[]>) => void) | null;
  postMessage(messages: string | readonly WorkerMessage[], transfer?: ArrayBuffer[]): void;
  close(): void;
}
const scope: unknown = globalThis;
if (!isThread(scope)) {
  throw new TypeError("Cannot load a worker file as this is not a Web Worker");
}
const thread: ThreadGlobal = scope;
const close = thread.close.bind(thread);

class ThreadPort implements WorkerPort {
  readonly control: ControlBlock;
  #messages: WorkerMessage[] = [];
  #transfer: ArrayBuffer[] = [];

  constructor(control: ControlBlock) {
    this.control = control;
  }

  listen(receive: (message: PoolMessage) => void): void {
    thread.onmessage = ({ data }) => readMessages(data).forEach(receive);
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
    if (transfer.length > 0) return thread.postMessage(messages, transfer);
    thread.postMessage(writeText(messages) ?? messages);
  }
}

// Messages that arrive before there is a listener are lost, so the pool waits for `booted`.
thread.onmessage = ({ data }) => {
  for (const message of readMessages(data)) if (message.type === "load") void load(message);
};
thread.postMessage([{ type: "booted", lockName: await holdLifeLock() }]);

/** Settles once the file has called `expose()`, or once the pool knows why it has not. */
async function load(message: LoadMessage): Promise<void> {
  const port = new ThreadPort(new ControlBlock(message.control));
  giveLastWords((reason) => {
    port.send({ type: "ending", reason });
    port.flush();
  }, close);
  let isExposed = false;
  thread[WORKER_PORT] = {
    control: port.control,
    listen(receive) {
      isExposed = true;
      port.listen(receive);
    },
    send: (reply, transfer) => port.send(reply, transfer),
    flush: () => port.flush(),
  };
  try {
    await import(message.url);
  } catch (error) {
    return refuse(showError(error));
  }
  if (isExposed) port.flush();
  else refuse("the file never calls expose()");
}

function readMessages(data: string | readonly PoolMessage[]): readonly PoolMessage[] {
  // The other end is this package's own code.
  return typeof data === "string" ? readText(data) as PoolMessage[] : data;
}

function refuse(reason: string): void {
  thread.postMessage([{ type: "unusable", reason }]);
}

/** A window's types and a worker's differ, and this file is checked with both. */
function isThread(scope: unknown): scope is ThreadGlobal {
  return typeof scope === "object" && scope !== null && "WorkerGlobalScope" in scope;
}
