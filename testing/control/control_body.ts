/** What a request to the control interface carries: one JSON object, checked field by field. @module */

import { checkInteger, checkNumber, checkType, describeValue } from "../../internal/check.ts";
import type { FaultScope } from "../faults.ts";

/** A JSON object with fields that are known beforehand. */
export class ControlBody {
  readonly #action: string;
  readonly #fields: ReadonlyMap<string, unknown>;

  /**
   * Reads a text; the empty one is an object without fields.
   *
   * @param action What cannot be done otherwise.
   * @param text The text.
   * @param known The names of the fields that there may be.
   * @throws {TypeError} If the text is not a JSON object, or has other fields.
   */
  constructor(action: string, text: string, known: readonly string[]) {
    this.#action = action;
    this.#fields = new Map(Object.entries(objectOf(action, text)));
    for (const name of this.#fields.keys()) {
      if (known.includes(name)) continue;
      throw new TypeError(`Cannot ${action} as there is no such field: ${describeValue(name)}`);
    }
  }

  /** Returns a text. */
  text(name: string): string | undefined {
    const value = this.#valueOf(name);
    checkType(this.#action, { [name]: value }, "string");
    return typeof value === "string" ? value : undefined;
  }

  /** Returns a text that must be there. */
  neededText(name: string): string {
    const value = this.text(name);
    if (value !== undefined) return value;
    throw new TypeError(`Cannot ${this.#action} as a field is missing: "${name}"`);
  }

  /** Returns a number of at least 0. */
  number(name: string): number | undefined {
    const value = this.#valueOf(name);
    checkNumber(this.#action, { [name]: value }, { min: 0, max: Number.MAX_SAFE_INTEGER });
    return typeof value === "number" ? value : undefined;
  }

  /** Returns a number of at least 0 that must be there. */
  neededNumber(name: string): number {
    const value = this.number(name);
    if (value !== undefined) return value;
    throw new TypeError(`Cannot ${this.#action} as a field is missing: "${name}"`);
  }

  /** Returns the numbers of a connection and of a channel. */
  scope(): FaultScope {
    const [connection, channel] = [this.#valueOf("connection"), this.#valueOf("channel")];
    checkInteger(this.#action, { connection, channel }, { min: 0 });
    return {
      ...(typeof connection === "number" ? { connection } : {}),
      ...(typeof channel === "number" ? { channel } : {}),
    };
  }

  /** Returns all fields, which somebody else checks. */
  all(): object {
    return Object.fromEntries(this.#fields);
  }

  #valueOf(name: string): unknown {
    return this.#fields.get(name) ?? undefined;
  }
}

function objectOf(action: string, text: string): object {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new TypeError(`Cannot ${action} as the body must be a JSON object: ${describeValue(text)}`);
}
