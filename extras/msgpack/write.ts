/** Turns values into what the MessagePack library writes exactly, and writes them. @module */

import { Encoder, ExtData } from "../../deps/msgpack.ts";
import {
  bigintExtension,
  dateExtension,
  EXTENSION,
  NEGATIVE_ZERO,
  UNDEFINED,
} from "./extensions.ts";
import { describeObject, tooDeep, unencodable } from "../../codec.ts";

/** What errors call the format. */
const MSGPACK_FORMAT = "MessagePack";
const BYTE_ORDER_MARK = "\uFEFF";
const utf8 = new TextEncoder();

/**
 * Writes a value.
 *
 * @param value The value.
 * @param maxDepth The most levels of objects, arrays, maps and sets.
 * @throws {RpcError} `unencodable`, naming the path of the offending value.
 */
export function writeMsgpack(value: unknown, maxDepth: number): Uint8Array {
  return write(new Exporter(maxDepth).export(value, 0));
}

function write(value: unknown): Uint8Array {
  // Made anew each time, as an encoder keeps a buffer of the size of its largest body for ever.
  return new Encoder({ maxDepth: Infinity, ignoreUndefined: true }).encode(value);
}

/** Checks a value, and replaces what the library would alter; the value itself is left alone. */
class Exporter {
  readonly #maxDepth: number;
  readonly #path: (string | number)[] = [];

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  export(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case "boolean":
        return value;
      case "number":
        return Object.is(value, -0) ? NEGATIVE_ZERO : value;
      case "string":
        return this.#exportText(value);
      case "bigint":
        return bigintExtension(value);
      case "undefined":
        return UNDEFINED;
      case "object":
        return value === null ? null : this.#exportObject(value, depth);
      default:
        throw this.#unencodable(`is of type ${typeof value}`);
    }
  }

  #exportText(text: string): unknown {
    if (!text.isWellFormed()) throw this.#unencodable("has half of a surrogate pair");
    return text.startsWith(BYTE_ORDER_MARK) ? new ExtData(EXTENSION.text, utf8.encode(text)) : text;
  }

  #exportObject(value: object, depth: number): unknown {
    if (depth === this.#maxDepth) throw tooDeep(this.#path, MSGPACK_FORMAT, this.#maxDepth);
    if (Array.isArray(value)) return this.#exportArray(value, depth);
    if (value instanceof Uint8Array) return value;
    // The compiler does not narrow by prototypes: each `as` repeats what its case has found.
    switch (Object.getPrototypeOf(value)) {
      case Object.prototype:
      case null:
        return this.#exportRecord(value as Record<string, unknown>, depth);
      case Date.prototype:
        return this.#exportDate(value as Date);
      case Map.prototype:
        return this.#exportMap(value as Map<unknown, unknown>, depth);
      case Set.prototype:
        return this.#exportSet(value as Set<unknown>, depth);
    }
    throw this.#unencodable(describeObject(value));
  }

  #exportArray(array: readonly unknown[], depth: number): readonly unknown[] {
    let copy: unknown[] | undefined;
    for (let index = 0; index < array.length; index++) {
      const exported = this.#exportPart(index, array[index], depth);
      if (exported === array[index]) continue;
      copy ??= array.slice();
      copy[index] = exported;
    }
    return copy ?? array;
  }

  #exportRecord(record: Record<string, unknown>, depth: number): Record<string, unknown> {
    let copy: Record<string, unknown> | undefined;
    for (const key of Object.keys(record)) {
      const value = record[key];
      if (value === undefined) continue;
      if (key === "__proto__" || key.startsWith(BYTE_ORDER_MARK) || !key.isWellFormed()) {
        throw this.#unencodable(`has a key that cannot be carried: ${JSON.stringify(key)}`);
      }
      const exported = this.#exportPart(key, value, depth);
      if (exported === value) continue;
      copy ??= { ...record };
      copy[key] = exported;
    }
    return copy ?? record;
  }

  #exportDate(date: Date): ExtData {
    if (Number.isNaN(date.getTime())) throw this.#unencodable("is an invalid date");
    return dateExtension(date);
  }

  #exportMap(map: ReadonlyMap<unknown, unknown>, depth: number): ExtData {
    const flat: unknown[] = [];
    for (const [key, value] of map) {
      const part = typeof key === "string" || typeof key === "number" ? key : flat.length / 2;
      flat.push(this.#exportPart(part, key, depth), this.#exportPart(part, value, depth));
    }
    return new ExtData(EXTENSION.map, write(flat));
  }

  #exportSet(set: ReadonlySet<unknown>, depth: number): ExtData {
    const items = Array.from(set, (item, index) => this.#exportPart(index, item, depth));
    return new ExtData(EXTENSION.set, write(items));
  }

  #exportPart(part: string | number, value: unknown, depth: number): unknown {
    this.#path.push(part);
    const exported = this.export(value, depth + 1);
    this.#path.pop();
    return exported;
  }

  #unencodable(reason: string): Error {
    return unencodable(this.#path, MSGPACK_FORMAT, reason);
  }
}
