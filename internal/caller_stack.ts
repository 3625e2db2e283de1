/** Stacks of errors that were made where nobody called: in a timer, or as a message came. @module */

import { RpcError } from "../errors.ts";

/** Errors of others that tell already where somebody waits for them. */
const told = new WeakSet<Error>();

/**
 * Adds to an error who waits for it. To be called where an asynchronous function goes on after an
 * `await`: only there does the engine know the functions that wait for it, and with them the line
 * of the caller. To note that line with each call would cost a call a twentieth of its time.
 *
 * @param error What is about to be thrown, of any type.
 * @returns The same.
 */
export function withCallerStack(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof RpcError && error.call !== undefined) {
    // It was made for this call, by code that has nothing to do with its caller. Nothing is put
    // into words before somebody looks at the stack.
    Error.captureStackTrace(error, withCallerStack);
  } else if (!told.has(error)) {
    told.add(error);
    // It is somebody's own, such as the reason of a signal, and may be frozen.
    Reflect.set(error, "stack", `${error.stack ?? error}${waitingFrames()}`);
  }
  return error;
}

/**
 * The same for what could not be opened, whose error is nobody else's: its stack begins where it was
 * to be opened. What an uncaught error shows is what was captured, not what was added.
 */
export function withOpenerStack(error: unknown): unknown {
  if (!(error instanceof RpcError)) return withCallerStack(error);
  Error.captureStackTrace(error, withOpenerStack);
  return error;
}

/** Waits, so that whoever does is in the stack of an error: a promise alone does not tell. */
export async function waitWithStack<Value>(promise: Promise<Value>): Promise<Value> {
  try {
    return await promise;
  } catch (error) {
    throw withCallerStack(error);
  }
}

/** The frames of whoever waits, without ours and the engine's. */
function waitingFrames(): string {
  const here: { stack?: string } = {};
  Error.captureStackTrace(here, withCallerStack);
  const [, , ...frames] = here.stack?.split("\n") ?? [];
  return frames.filter((frame) => !frame.includes("(ext:")).map((frame) => `\n${frame}`).join("");
}
