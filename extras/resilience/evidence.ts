/** What an error says of its call: whether to try again, and whether the server is in trouble. @module */

import { RpcError, RpcRemoteError } from "../../errors.ts";

/** The request was not run, and another may be. */
const NOT_RUN: ReadonlySet<string> = new Set([
  "expired",
  "no-capacity",
  "overloaded",
  "queue-full",
  "unreachable",
  "unroutable",
]);

/** The request may have been run, in part at least. */
const PERHAPS_RUN: ReadonlySet<string> = new Set(["disconnected", "timeout", "worker-crashed"]);

/** Codes that tell of trouble, although another attempt at the same request would not help. */
const HOPELESS: ReadonlySet<string> = new Set(["delivery-limit", "rejected"]);

/**
 * Tells whether a failed call may be tried again.
 *
 * @param error What the attempt rejected with.
 * @param isIdempotent Whether the handler may run twice.
 */
export function isRetryable(error: unknown, isIdempotent: boolean): boolean {
  if (!(error instanceof RpcError)) return isDeclaredRetryable(error);
  if (PERHAPS_RUN.has(error.code) && !isIdempotent) return false;
  if (error instanceof RpcRemoteError) return error.retryable;
  return NOT_RUN.has(error.code) || PERHAPS_RUN.has(error.code);
}

/**
 * What a failed attempt says of the servers: they are in `trouble`, they have `answered`, or
 * `nothing`, as the request never reached them or nobody waited for the reply.
 */
export type Evidence = "trouble" | "answered" | "nothing";

/**
 * Tells what an error says of the servers.
 *
 * @param error What the attempt rejected with.
 * @param signal The signal of the call.
 */
export function evidenceOf(error: unknown, signal: AbortSignal | undefined): Evidence {
  if (signal?.aborted) return "nothing";
  if (error instanceof RpcError) {
    const { code } = error;
    if (NOT_RUN.has(code) || PERHAPS_RUN.has(code) || HOPELESS.has(code)) return "trouble";
    return error instanceof RpcRemoteError ? "answered" : "nothing";
  }
  const isMisuse = error instanceof TypeError || error instanceof RangeError;
  return isMisuse ? "nothing" : "answered";
}

/** Errors that are made anew from a handler's, of any class, may say it as `RpcError` does. */
function isDeclaredRetryable(error: unknown): boolean {
  return error instanceof Error && "retryable" in error && error.retryable === true;
}
