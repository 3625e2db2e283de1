/** What the command line ends with, as sysexits has it. @module */

import { RpcError, RpcRemoteError } from "../mod.ts";

/** All exit codes. */
export const EXIT_CODE = {
  ok: 0,
  /** The handler answered with an error, or one of two things compared is not like the other. */
  failed: 1,
  /** Some of what was to be done was not. */
  partial: 3,
  usage: 64,
  data: 65,
  unavailable: 69,
  software: 70,
  tryAgain: 75,
  noPermission: 77,
  misconfigured: 78,
  interrupted: 130,
} as const;

/** By the codes of errors; all others are {@linkcode EXIT_CODE} `software`. */
const BY_CODE: Readonly<Record<string, number>> = {
  "handler-error": EXIT_CODE.failed,
  "invalid-input": EXIT_CODE.data,
  "too-large": EXIT_CODE.data,
  "worker-not-started": EXIT_CODE.data,
  "not-a-stream": EXIT_CODE.usage,
  "unwanted-stream": EXIT_CODE.usage,
  "unknown-procedure": EXIT_CODE.unavailable,
  "unroutable": EXIT_CODE.unavailable,
  "no-capacity": EXIT_CODE.unavailable,
  "unreachable": EXIT_CODE.unavailable,
  "timeout": EXIT_CODE.tryAgain,
  "expired": EXIT_CODE.tryAgain,
  "overloaded": EXIT_CODE.tryAgain,
  "queue-full": EXIT_CODE.tryAgain,
  "disconnected": EXIT_CODE.tryAgain,
  "in-use": EXIT_CODE.tryAgain,
  "access-refused": EXIT_CODE.noPermission,
  "misconfigured": EXIT_CODE.misconfigured,
};

/** A mistake of the user's, or what else ends a command, in words for them. */
export class CommandError extends Error {
  /** What the command line ends with. */
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The exit code of what was thrown. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  // Options that the library refuses are arguments that the user gave.
  if (error instanceof TypeError || error instanceof RangeError) return EXIT_CODE.usage;
  if (!(error instanceof RpcError)) return EXIT_CODE.software;
  // A code of the handler's own.
  const other = error instanceof RpcRemoteError ? EXIT_CODE.failed : EXIT_CODE.software;
  return BY_CODE[error.code] ?? other;
}

/** The exit code of an error of which only the code is known; others are the handler's own. */
export function exitCodeOfCode(code: string): number {
  return BY_CODE[code] ?? EXIT_CODE.failed;
}
