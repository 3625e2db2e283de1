/**
 * What a handler in a worker knows of its call.
 *
 * @module
 */

import { CellState, type ControlBlock, type RunMessage } from "./protocol.ts";
import type { WorkerContext } from "./worker_context.ts";

/** Sends progress of a task to the pool. */
export type TellProgress = (task: RunMessage, value: unknown, seq: number) => void;

/** The context of one task. Its signal is made only for a handler that looks at it. */
export class TaskContext implements WorkerContext {
  /** The id of the task. */
  readonly id: number;
  readonly #task: RunMessage;
  readonly #control: ControlBlock | undefined;
  readonly #tell: TellProgress;
  #progressSeq = 0;
  #controller: AbortController | undefined;

  /**
   * Makes the context of a task.
   *
   * @param task What the pool says of it.
   * @param control The memory in which the pool cancels it, if there is any.
   * @param tell Sends progress to the pool.
   */
  constructor(task: RunMessage, control: ControlBlock | undefined, tell: TellProgress) {
    this.id = task.id;
    this.#task = task;
    this.#control = control;
    this.#tell = tell;
  }

  get procedure(): string {
    return this.#task.procedure;
  }
  get correlationId(): string | undefined {
    return this.#task.correlationId;
  }
  get deadline(): number | undefined {
    return this.#task.deadline;
  }
  get redeliveries(): number {
    return this.#task.redeliveries ?? 0;
  }
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isCancelled()) this.abort();
    return this.#controller.signal;
  }

  throwIfCancelled(): void {
    if (this.#isCancelled()) this.abort();
    this.#controller?.signal.throwIfAborted();
  }

  progress(value: unknown): void {
    if (this.#task.wantsProgress) this.#tell(this.#task, value, this.#progressSeq++);
  }

  /** Tells the handler that nobody waits for the output any more. */
  abort(): void {
    this.#controller ??= new AbortController();
    if (this.#controller.signal.aborted) return;
    const message = `Cannot go on with "${this.procedure}" as nobody waits for its output`;
    this.#controller.abort(new DOMException(message, "AbortError"));
  }

  #isCancelled(): boolean {
    return this.#control?.stateOf(this.#task.cell) === CellState.cancelled;
  }
}
