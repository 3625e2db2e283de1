import { AssertionError, shown, suffix } from "./assertion_error.ts";
import { equal } from "./equal.ts";

/** Asserts that two values are equal, deeply. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(`Values are not equal${suffix(msg)}${bothOf(actual, expected)}`);
}

/** Asserts that two values differ, deeply. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected actual: ${shown(actual)} not to be: ${shown(expected)}${suffix(msg)}`,
  );
}

/** Asserts that two values are the same, after `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const difference = equal(actual, expected)
    ? "Values have the same structure but are not reference-equal"
    : "Values are not strictly equal";
  throw new AssertionError(`${difference}${suffix(msg)}${bothOf(actual, expected)}`);
}

function bothOf(actual: unknown, expected: unknown): string {
  return `\n\n    [Actual] ${shown(actual)}\n    [Expected] ${shown(expected)}\n`;
}
