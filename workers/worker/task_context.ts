/**
 * What a handler in a worker knows of its call.
 *
 * @module
 */

import type { Codec } from "../../codec.ts";
import type { CallContext, HeaderValue, MessageHeaders } from "../../contract.ts";
import { NO_HEADERS, withHeader } from "../../internal/message_headers.ts";
import { RunTiming } from "../../internal/run_timing.ts";
import type { ProgressGate } from "../../internal/running/progress_gate.ts";
import type { HandlerMeans } from "../../internal/running/run_handler.ts";
import type { GeneratorPump } from "../../internal/streaming/generator_pump.ts";
import { CellState, type ControlBlock, type RunMessage } from "../wire/protocol.ts";

/** What a handler is run with for one task. Its signal is made only for a handler that looks at it. */
export class TaskContext implements CallContext, HandlerMeans {
  /** The id of the task. */
  readonly id: number;
  /** What the pool says of the task. */
  readonly task: RunMessage;
  /** The codec of its input and output. */
  readonly codec: Codec;
  /** Sends the items of a stream, if one is wanted. */
  pump: GeneratorPump | undefined = undefined;
  /** Sends what the handler tells of its progress, if somebody wants to know. */
  gate: ProgressGate | undefined = undefined;
  /** What the handler has set for its reply; absent if nothing. */
  replyHeaders: MessageHeaders | undefined = undefined;
  /** Notes how long the task takes, if somebody wants to know. */
  readonly timing: RunTiming | undefined;
  readonly #control: ControlBlock | undefined;
  #controller: AbortController | undefined;

  /**
   * Makes the context of a task.
   *
   * @param task What the pool says of it.
   * @param codec The codec of its input and output.
   * @param control The memory in which the pool cancels it, if it shares any.
   */
  constructor(task: RunMessage, codec: Codec, control: ControlBlock | undefined) {
    this.id = task.id;
    this.codec = codec;
    this.task = task;
    this.timing = task.wantsTiming ? new RunTiming() : undefined;
    this.#control = control;
  }

  get context(): CallContext {
    return this;
  }
  get procedure(): string {
    return this.task.procedure;
  }
  get correlationId(): string | undefined {
    return this.task.correlationId;
  }
  get deadline(): number | undefined {
    return this.task.deadline;
  }
  get redeliveries(): number {
    return this.task.redeliveries ?? 0;
  }
  get headers(): MessageHeaders {
    return this.task.headers ?? NO_HEADERS;
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

  setReplyHeader(name: string, value: HeaderValue): void {
    this.replyHeaders = withHeader("set a header of the reply", this.replyHeaders, [name, value]);
  }

  progress(value: unknown): void {
    this.gate?.tell(value);
  }

  /** Tells the handler that nobody waits for the output any more. */
  abort(): void {
    this.#controller ??= new AbortController();
    if (this.#controller.signal.aborted) return;
    const message = `Cannot go on with "${this.procedure}" as nobody waits for its output`;
    this.#controller.abort(new DOMException(message, "AbortError"));
  }

  #isCancelled(): boolean {
    return this.#control?.stateOf(this.task.cell) === CellState.cancelled;
  }
}
