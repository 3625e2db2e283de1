/**
 * The handlers of a worker file.
 *
 * @module
 */

import type { CallContext } from "../../contract.ts";

/**
 * A function that runs a procedure in a worker. Whatever it throws becomes an error reply. A
 * generator streams what it yields, as fast as its reader reads.
 */
export type WorkerHandler<Input = never, Output = unknown> = (
  input: Input,
  context: CallContext,
) => Output | Promise<Output> | AsyncGenerator<Output> | Generator<Output>;
