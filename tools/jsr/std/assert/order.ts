import { AssertionError, shown, suffix } from "./assertion_error.ts";

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) fail(`${shown(actual)} > ${shown(expected)}`, msg);
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) fail(`${shown(actual)} >= ${shown(expected)}`, msg);
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) fail(`${shown(actual)} < ${shown(expected)}`, msg);
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) fail(`${shown(actual)} <= ${shown(expected)}`, msg);
}

function fail(relation: string, msg: string | undefined): never {
  throw new AssertionError(`Expect ${relation}${suffix(msg)}`);
}
