/**
 * Tasks on their way to a worker.
 *
 * @module
 */

import type { WorkerHost } from "../host/host.ts";
import type { RunMessage } from "../wire/protocol.ts";
import { mustTransfer } from "../wire/transferable.ts";
import type { Task } from "./task.ts";

/** Gathers tasks, so that they leave in one message. */
export class Outbox {
  #messages: RunMessage[] = [];
  #transfer: ArrayBuffer[] = [];

  /** Adds a task. */
  add(task: Task, cell: number): void {
    const { body } = task.request;
    if (mustTransfer(body)) this.#transfer.push(body.buffer);
    this.#messages.push(toMessage(task, cell));
  }

  /** Sends what was gathered; returns how many tasks. */
  send(host: WorkerHost): number {
    if (this.#messages.length === 0) return 0;
    const messages = this.#messages;
    const transfer = this.#transfer;
    this.clear();
    host.post(messages, transfer);
    return messages.length;
  }

  /** Forgets what was gathered. */
  clear(): void {
    this.#messages = [];
    this.#transfer = [];
  }
}

function toMessage({ id, request }: Task, cell: number): RunMessage {
  const { procedure, body, contentType, correlationId, deadline, redeliveries, sink } = request;
  return {
    type: "run",
    id,
    cell,
    procedure,
    body,
    // Each member of a message costs time on the pool's thread.
    ...(contentType === undefined ? {} : { contentType }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(redeliveries ? { redeliveries } : {}),
    ...(sink?.credits === undefined ? {} : { credits: sink.credits }),
    ...(sink?.onProgress === undefined ? {} : { wantsProgress: true }),
  };
}
