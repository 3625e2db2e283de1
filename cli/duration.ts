/** Times as people write them. @module */

import { InvalidArgumentError } from "../deps/commander.ts";

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Reads a duration, such as `250ms`, `5s`, `2m`, `1h` or `7d`.
 *
 * @returns Milliseconds.
 * @throws {InvalidArgumentError} If it is none.
 */
export function parseDuration(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Math.round(Number(number) * (UNITS_MS[unit] ?? NaN));
  if (number !== "" && ms >= 1) return ms;
  throw new InvalidArgumentError("It must be a time such as 250ms, 5s, 2m, 1h or 7d.");
}

/** Writes a duration with two or three digits. */
export function formatDuration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} m ${Math.floor(ms % 60_000 / 1_000)} s`;
  if (ms >= 2 * 86_400_000) {
    return `${Math.floor(ms / 86_400_000)} d ${Math.floor(ms % 86_400_000 / 3_600_000)} h`;
  }
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor(ms % 3_600_000 / 60_000)} m`;
}
