/**
 * Why a task was not run to its end.
 *
 * @module
 */

import { RpcError } from "../../errors.ts";

/** The pool was closed before the task had run to its end. */
export function closedError(procedure: string): RpcError {
  return new RpcError("closed", `Cannot run "${procedure}" as the pool is closed`);
}

/** No place is left for the task. */
export function overloadedError(procedure: string, maxBacklog: number): RpcError {
  return new RpcError(
    "overloaded",
    `Cannot run "${procedure}" as the backlog is full: ${maxBacklog} tasks wait`,
    { retryable: true },
  );
}

/** The deadline passed while the task was waiting. */
export function expiredError(procedure: string): RpcError {
  return new RpcError(
    "timeout",
    `Cannot start "${procedure}" as its deadline passed while it waited for a worker`,
    { retryable: true },
  );
}

/** The worker died. */
export function crashedError(procedure: string, reason: string): RpcError {
  return new RpcError(
    "worker-crashed",
    `Cannot complete "${procedure}" as its worker died: ${reason}`,
  );
}

/** The task ran for longer than it may. */
export function overrunError(procedure: string, limitMs: number): RpcError {
  return new RpcError(
    "timeout",
    `Cannot complete "${procedure}" as it ran for longer than its limit of ${limitMs} ms`,
  );
}

/** Too many threads run that cannot be stopped. */
export function zombiesError(procedure: string, zombies: number): RpcError {
  return new RpcError(
    "overloaded",
    `Cannot run "${procedure}" as too many threads run on after their tasks were cancelled: ` +
      `${zombies} of them`,
    { retryable: true },
  );
}
