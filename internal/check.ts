/** Checks of arguments, in the words of the caller. @module */

import { isPrintable, toPrintable } from "./printable.ts";
import { isShortText, MAX_SHORT_TEXT_BYTES } from "./short_text.ts";

/** Bounds of an integer. */
export interface IntegerBounds {
  readonly min: number;
  readonly max?: number;
}

/**
 * Checks an option that is an integer.
 *
 * @param action What cannot be done otherwise, such as `connect`.
 * @param name The option.
 * @param value Its value.
 * @param bounds Smallest and largest value.
 * @throws {RangeError} If it is not an integer within the bounds.
 */
export function checkInteger(
  action: string,
  name: string,
  value: number,
  { min, max = Number.MAX_SAFE_INTEGER }: IntegerBounds,
): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new RangeError(
    `Cannot ${action} as "${name}" must be an integer ${range}: current value is ${value}`,
  );
}

/**
 * Checks a name that AMQP must carry: of a queue or of a procedure.
 *
 * @param action What cannot be done otherwise.
 * @param what What is named.
 * @param name The name.
 * @throws {TypeError} If it is empty, not a string, or longer than 255 bytes.
 */
export function checkName(action: string, what: string, name: unknown): void {
  if (typeof name === "string" && name !== "" && isShortText(name)) return;
  const shown = typeof name === "string" ? `"${name.slice(0, 40)}"` : String(name);
  throw new TypeError(
    `Cannot ${action} as the name of the ${what} must have 1 to ${MAX_SHORT_TEXT_BYTES} bytes: ` +
      `current value is ${shown}`,
  );
}

/**
 * Checks the name of a procedure, where it is declared and where it is called.
 *
 * @param action What cannot be done otherwise.
 * @param name The name.
 * @throws {TypeError} If AMQP cannot carry it, or it has characters that cannot be seen.
 */
export function checkProcedureName(action: string, name: unknown): void {
  checkName(action, "procedure", name);
  if (typeof name === "string" && isPrintable(name)) return;
  throw new TypeError(
    `Cannot ${action} as the name of the procedure must have no control characters: ` +
      `current value is "${toPrintable(String(name)).slice(0, 80)}"`,
  );
}
