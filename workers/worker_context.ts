/**
 * What a handler in a worker may know and do beside its input.
 *
 * @module
 */

import type { CallContext } from "../contract.ts";

/** The second argument of a handler that runs in a worker. */
export interface WorkerContext extends CallContext {
  /**
   * Throws if nobody waits for the output any more. It works where nothing else does, in the
   * middle of a loop that never awaits, and costs some 10 ns. In a worker that is a process it sees
   * only what came before the last `await`; there, the process is killed instead.
   *
   * @throws {DOMException} `AbortError`.
   */
  throwIfCancelled(): void;
  /**
   * Tells the caller how far the task has come, if the caller wants to know. Each call is a
   * message: once in some milliseconds is enough.
   *
   * @param value Anything that can be encoded.
   */
  progress(value: unknown): void;
}

/**
 * A function that runs a procedure in a worker. Whatever it throws becomes an error reply. A
 * generator streams what it yields, as fast as its reader reads.
 */
export type WorkerHandler<Input = never, Output = unknown> = (
  input: Input,
  context: WorkerContext,
) => Output | Promise<Output> | AsyncGenerator<Output> | Generator<Output>;
