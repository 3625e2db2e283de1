import { AssertionError, suffix } from "./assertion_error.ts";

/** A class of errors, abstract ones included. */
type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

/** Asserts that a function throws; returns what it has thrown. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that a function throws an error of a class; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const expected = expectation(classOrMsg, msgIncludes, msg);
  try {
    fn();
  } catch (error) {
    checkError(error, expected);
    return error;
  }
  throw new AssertionError(`Expected function to throw${suffix(expected.msg)}`);
}

/** Asserts that a function's promise rejects; resolves to the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that a function's promise rejects with an error of a class; resolves to the error. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const expected = expectation(classOrMsg, msgIncludes, msg);
  const promise = startedBy(fn, expected);
  try {
    await promise;
  } catch (error) {
    checkError(error, expected);
    return error;
  }
  throw new AssertionError(`Expected function to reject${suffix(expected.msg)}`);
}

interface Expectation {
  readonly errorClass: ErrorClass<Error> | undefined;
  readonly msgIncludes: string | undefined;
  readonly msg: string | undefined;
}

function expectation(
  classOrMsg: ErrorClass<Error> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): Expectation {
  return typeof classOrMsg === "string"
    ? { errorClass: undefined, msgIncludes: undefined, msg: classOrMsg }
    : { errorClass: classOrMsg, msgIncludes, msg };
}

function startedBy(fn: () => PromiseLike<unknown>, expected: Expectation): PromiseLike<unknown> {
  const unexpected = `Function throws when expected to reject${suffix(expected.msg)}`;
  let result: unknown;
  try {
    result = fn();
  } catch (cause) {
    throw new AssertionError(unexpected, { cause });
  }
  if (isPromiseLike(result)) return result;
  throw new AssertionError(unexpected);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function checkError(error: unknown, { errorClass, msgIncludes, msg }: Expectation): void {
  if (errorClass === undefined) return;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was thrown or rejected${suffix(msg)}`);
  }
  const { constructor, stack } = error;
  if (!(error instanceof errorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${errorClass.name}", but was "${constructor.name}"${
        suffix(msg)
      }\n\n${stack}`,
      { cause: error },
    );
  }
  if (msgIncludes !== undefined && !error.message.includes(msgIncludes)) {
    throw new AssertionError(
      `Expected error message to include "${msgIncludes}", but got "${error.message}"${
        suffix(msg)
      }`,
      { cause: error },
    );
  }
}
