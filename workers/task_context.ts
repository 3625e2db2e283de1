/**
 * What a handler in a worker knows of its call.
 *
 * @module
 */

import type { CallContext } from "../contract.ts";
import { CellState, type ControlBlock, type RunMessage } from "./protocol.ts";

/** The context of one task. Its signal is made only for a handler that looks at it. */
export class TaskContext implements CallContext {
  /** The id of the task. */
  readonly id: number;
  readonly #task: RunMessage;
  readonly #control: ControlBlock | undefined;
  #controller: AbortController | undefined;

  /**
   * Makes the context of a task.
   *
   * @param task What the pool says of it.
   * @param control The memory in which the pool cancels it, if there is any.
   */
  constructor(task: RunMessage, control: ControlBlock | undefined) {
    this.id = task.id;
    this.#task = task;
    this.#control = control;
  }

  /** The procedure that was called. */
  get procedure(): string {
    return this.#task.procedure;
  }
  /** The id that ties the reply to its call, if the request has one. */
  get correlationId(): string | undefined {
    return this.#task.correlationId;
  }
  /** When the caller stops waiting, in Unix milliseconds, if the request says so. */
  get deadline(): number | undefined {
    return this.#task.deadline;
  }
  /** How often this request was delivered before. */
  get redeliveries(): number {
    return this.#task.redeliveries ?? 0;
  }
  /** Aborts when nobody waits for the output any more. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#control?.stateOf(this.#task.cell) === CellState.cancelled) this.abort();
    }
    return this.#controller.signal;
  }

  /** Tells the handler that nobody waits for the output any more. */
  abort(): void {
    this.#controller ??= new AbortController();
    this.#controller.abort(
      new DOMException(
        `Cannot go on with "${this.procedure}" as nobody waits for its output`,
        "AbortError",
      ),
    );
  }
}
