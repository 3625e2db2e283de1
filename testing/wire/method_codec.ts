/** Methods to bytes and back, driven by the table of methods. @module */

import { AmqpError } from "./amqp_error.ts";
import { ByteReader, EndOfInputError } from "./byte_reader.ts";
import type { ByteWriter } from "./byte_writer.ts";
import { checkTable, decodeTable, encodeTable } from "./field_table.ts";
import type { FieldTable } from "./field_value.ts";
import {
  type ArgumentTypes,
  type Method,
  type MethodArguments,
  type MethodName,
  METHODS,
} from "./methods.ts";

type ArgumentType = keyof ArgumentTypes;
type ArgumentValue = ArgumentTypes[ArgumentType];

interface MethodLayout {
  readonly name: MethodName;
  readonly id: number;
  readonly fields: readonly (readonly [string, ArgumentType])[];
}

const LAYOUTS_BY_NAME = new Map<string, MethodLayout>();
const LAYOUTS_BY_ID = new Map<number, MethodLayout>();
for (const [name, [classId, methodId, fields]] of Object.entries(METHODS)) {
  const layout: MethodLayout = {
    // `Object.entries` widens the keys of METHODS to string.
    name: name as MethodName,
    id: classId * 0x1_0000 + methodId,
    fields: Object.entries(fields),
  };
  LAYOUTS_BY_NAME.set(name, layout);
  LAYOUTS_BY_ID.set(layout.id, layout);
}

/**
 * Decodes the payload of a method frame.
 *
 * @throws {AmqpError} If the method is unknown or its arguments are malformed.
 */
export function decodeMethod(payload: Uint8Array, maxDepth?: number): Method {
  const reader = new ByteReader(payload);
  const id = reader.long();
  const layout = LAYOUTS_BY_ID.get(id);
  if (layout === undefined) {
    throw new AmqpError(
      "command-invalid",
      `unknown method: class ${id >>> 16}, method ${id & 0xffff}`,
    );
  }
  try {
    const values = readArguments(reader, layout, maxDepth);
    if (reader.remaining === 0) {
      // The layout of `name` has just been followed field by field.
      return { name: layout.name, arguments: values } as Method;
    }
  } catch (error) {
    if (!(error instanceof EndOfInputError)) throw error;
  }
  const text = `cannot decode <<${payload.subarray(4, 260).join(",")}>>`;
  throw new AmqpError("frame-error", text, layout.name);
}

/** Encodes a method as the payload of a method frame. */
export function encodeMethod<Name extends MethodName>(
  writer: ByteWriter,
  name: Name,
  values: MethodArguments<Name>,
): void {
  const layout = layoutOf(name);
  writer.long(layout.id);
  const lookup: Readonly<Record<string, ArgumentValue>> = values;
  let bits = 0;
  let bitIndex = 0;
  for (const [field, type] of layout.fields) {
    const value = lookup[field];
    if (type === "bit") {
      if (value === true) bits |= 1 << bitIndex;
      bitIndex++;
      continue;
    }
    if (bitIndex > 0) writer.octet(bits);
    bits = bitIndex = 0;
    writeArgument(writer, type, value);
  }
  if (bitIndex > 0) writer.octet(bits);
}

/** Returns the class and method ids that a close method names as its cause. */
export function methodIds(name: string | undefined): { classId: number; methodId: number } {
  if (name === undefined) return { classId: 0, methodId: 0 };
  const { id } = layoutOf(name);
  return { classId: id >>> 16, methodId: id & 0xffff };
}

function layoutOf(name: string): MethodLayout {
  const layout = LAYOUTS_BY_NAME.get(name);
  if (layout === undefined) throw new TypeError(`Cannot encode method as it is unknown: "${name}"`);
  return layout;
}

function readArguments(
  reader: ByteReader,
  { name, fields }: MethodLayout,
  maxDepth: number | undefined,
): Record<string, ArgumentValue> {
  const values: Record<string, ArgumentValue> = {};
  // RabbitMQ looks at the encoding of names, but not in methods with content.
  const isStrict = name !== "basic.publish";
  let bits = 0;
  let bitIndex = 8;
  for (const [field, type] of fields) {
    if (type !== "bit") {
      values[field] = type === "shortstr" && isStrict
        ? reader.name()
        : readArgument(reader, type, maxDepth);
      bitIndex = 8;
      continue;
    }
    if (bitIndex === 8) {
      bits = reader.octet();
      bitIndex = 0;
    }
    values[field] = (bits & (1 << bitIndex++)) !== 0;
  }
  return values;
}

function readArgument(
  reader: ByteReader,
  type: Exclude<ArgumentType, "bit">,
  maxDepth: number | undefined,
): ArgumentValue {
  switch (type) {
    case "octet":
      return reader.octet();
    case "short":
      return reader.short();
    case "long":
      return reader.long();
    case "longlong":
      return reader.longLongNumber();
    case "shortstr":
      return reader.shortString();
    case "longstr":
      return reader.longString().slice();
    case "table":
      return readTable(reader, maxDepth);
  }
}

function readTable(reader: ByteReader, maxDepth: number | undefined): FieldTable {
  // Tables outlive the input buffer: arguments of queues, nested values included.
  const bytes = reader.longString().slice();
  checkTable(bytes, maxDepth);
  return decodeTable(bytes);
}

function writeArgument(
  writer: ByteWriter,
  type: Exclude<ArgumentType, "bit">,
  value: ArgumentValue | undefined,
): void {
  if (typeof value === "number") {
    if (type === "octet") writer.octet(value);
    else if (type === "short") writer.short(value);
    else if (type === "long") writer.long(value);
    else writer.longLongNumber(value);
  } else if (typeof value === "string") writer.shortString(value);
  else if (value instanceof Uint8Array) writer.longString(value);
  else if (value instanceof Map) writer.longString(encodeTable(value));
  else throw new TypeError(`Cannot encode argument as it is not a ${type}: ${String(value)}`);
}
