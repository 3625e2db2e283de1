/** What codecs say of a value that they cannot carry. @module */

import { RpcError } from "../errors.ts";

/** The keys and indexes that lead from a whole value to a part of it. */
export type ValuePath = readonly (string | number)[];

/**
 * Makes the error of a value that a codec cannot carry.
 *
 * @param path Where the offending part is.
 * @param format The format's name, such as `JSON`.
 * @param reason What it is or has, such as `is NaN`.
 */
export function unencodable(path: ValuePath, format: string, reason: string): RpcError {
  return new RpcError(
    "unencodable",
    `Cannot encode the value at "${formatPath(path)}" as ${format}: it ${reason}`,
  );
}

/** Writes a path for people, such as `$.tags[1]`; `$` is the whole value. */
export function formatPath(path: ValuePath): string {
  return path.reduce<string>(
    (before, part) => before + (typeof part === "number" ? `[${part}]` : `.${part}`),
    "$",
  );
}

/** Makes the error of a value that refers to itself or has too many levels. */
export function tooDeep(path: ValuePath, format: string, maxDepth: number): RpcError {
  const reason = `is cyclic or nested deeper than ${maxDepth} levels`;
  return unencodable(path.slice(0, 8), format, reason);
}

/** Describes an object that is not plain data, for {@linkcode unencodable}. */
export function describeObject(value: object): string {
  if ("toJSON" in value && Object.getPrototypeOf(value) === Object.prototype) {
    return "is not plain data but an object with toJSON()";
  }
  const name: unknown = value.constructor?.name;
  const kind = typeof name === "string" && name !== "" ? `an instance of ${name}` : "of a class";
  return `is not plain data but ${kind}`;
}
