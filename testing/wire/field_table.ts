/** Field tables on the wire: decoding, encoding and the check of nested content. @module */

import { AmqpError } from "./amqp_error.ts";
import { ByteReader } from "./byte_reader.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { FieldTable, FieldValue, IntegerType } from "./field_value.ts";

/** The deepest nesting of tables and arrays that is accepted by default. */
export const MAX_TABLE_DEPTH = 8192;

/** The wire tag, width and sign of each integer type. */
const INTEGERS: Record<IntegerType, { readonly tag: string; readonly bits: 8 | 16 | 32 | 64 }> = {
  byte: { tag: "b", bits: 8 },
  unsignedbyte: { tag: "B", bits: 8 },
  short: { tag: "s", bits: 16 },
  unsignedshort: { tag: "u", bits: 16 },
  signedint: { tag: "I", bits: 32 },
  unsignedint: { tag: "i", bits: 32 },
  long: { tag: "l", bits: 64 },
  timestamp: { tag: "T", bits: 64 },
};

/** Decodes the top level of a table, given without its length; the first of equal names wins. */
export function decodeTable(bytes: Uint8Array): FieldTable {
  const reader = new ByteReader(bytes);
  const table = new Map<string, FieldValue>();
  while (reader.remaining > 0) {
    const name = reader.shortString();
    const value = readValue(reader);
    if (!table.has(name)) table.set(name, value);
  }
  return table;
}

/** Decodes the top level of an array, given without its length. */
export function decodeArray(bytes: Uint8Array): FieldValue[] {
  const reader = new ByteReader(bytes);
  const values: FieldValue[] = [];
  while (reader.remaining > 0) values.push(readValue(reader));
  return values;
}

/** Encodes a table without its length. */
export function encodeTable(table: FieldTable): Uint8Array {
  const writer = new ByteWriter();
  for (const [name, value] of table) {
    writer.shortString(name);
    writeValue(writer, value);
  }
  return writer.take();
}

/** Encodes an array without its length. */
export function encodeArray(values: Iterable<FieldValue>): Uint8Array {
  const writer = new ByteWriter();
  for (const value of values) writeValue(writer, value);
  return writer.take();
}

/**
 * Checks a table and everything nested in it without recursion.
 *
 * @throws {AmqpError} If a value is malformed or tables are nested deeper than `maxDepth`.
 */
export function checkTable(bytes: Uint8Array, maxDepth: number = MAX_TABLE_DEPTH): void {
  const pending: {
    readonly bytes: Uint8Array;
    readonly isTable: boolean;
    readonly depth: number;
  }[] = [{ bytes, isTable: true, depth: 1 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { isTable, depth } = next;
    if (depth > maxDepth) {
      throw new AmqpError("frame-error", `cannot decode: tables nested deeper than ${maxDepth}`);
    }
    const reader = new ByteReader(next.bytes);
    while (reader.remaining > 0) {
      if (isTable) reader.bytes(reader.octet());
      const value = readValue(reader);
      if (value.type === "table" || value.type === "array") {
        pending.push({ bytes: value.value, isTable: value.type === "table", depth: depth + 1 });
      }
    }
  }
}

function readValue(reader: ByteReader): FieldValue {
  const tag = String.fromCharCode(reader.octet());
  switch (tag) {
    case "S":
      return { type: "longstr", value: reader.longString() };
    case "x":
      return { type: "binary", value: reader.longString() };
    case "F":
      return { type: "table", value: reader.longString() };
    case "A":
      return { type: "array", value: reader.longString() };
    case "t":
      return { type: "bool", value: reader.octet() !== 0 };
    case "d":
      return { type: "double", value: reader.view(8).getFloat64(0) };
    case "f":
      return { type: "float", value: reader.view(4).getFloat32(0) };
    case "D":
      return { type: "decimal", value: { scale: reader.octet(), digits: reader.long() } };
    case "V":
      return { type: "void", value: undefined };
    default:
      return readInteger(reader, tag);
  }
}

function readInteger(reader: ByteReader, tag: string): FieldValue {
  switch (tag) {
    case "b":
      return { type: "byte", value: BigInt(reader.view(1).getInt8(0)) };
    case "B":
      return { type: "unsignedbyte", value: BigInt(reader.octet()) };
    case "s":
      return { type: "short", value: BigInt(reader.view(2).getInt16(0)) };
    case "u":
      return { type: "unsignedshort", value: BigInt(reader.short()) };
    case "I":
      return { type: "signedint", value: BigInt(reader.view(4).getInt32(0)) };
    case "i":
      return { type: "unsignedint", value: BigInt(reader.long()) };
    case "l":
    case "L": // RabbitMQ reads both and writes "l".
      return { type: "long", value: reader.view(8).getBigInt64(0) };
    case "T":
      return { type: "timestamp", value: reader.longLong() };
    default:
      throw new AmqpError(
        "frame-error",
        `cannot decode: unknown field type ${JSON.stringify(tag)}`,
      );
  }
}

function writeValue(writer: ByteWriter, value: FieldValue): void {
  switch (value.type) {
    case "longstr":
      return writeTagged(writer, "S", value.value);
    case "binary":
      return writeTagged(writer, "x", value.value);
    case "table":
      return writeTagged(writer, "F", value.value);
    case "array":
      return writeTagged(writer, "A", value.value);
    case "bool":
      writeTag(writer, "t");
      return writer.octet(value.value ? 1 : 0);
    case "double":
      writeTag(writer, "d");
      return writer.float(value.value, 64);
    case "float":
      writeTag(writer, "f");
      return writer.float(value.value, 32);
    case "decimal":
      writeTag(writer, "D");
      writer.octet(value.value.scale);
      return writer.long(value.value.digits);
    case "void":
      return writeTag(writer, "V");
    default:
      return writeInteger(writer, value.type, value.value);
  }
}

function writeInteger(writer: ByteWriter, type: IntegerType, value: bigint): void {
  const { tag, bits } = INTEGERS[type];
  writeTag(writer, tag);
  if (bits === 64) return writer.longLong(value);
  const unsigned = Number(BigInt.asUintN(bits, value));
  if (bits === 8) writer.octet(unsigned);
  else if (bits === 16) writer.short(unsigned);
  else writer.long(unsigned);
}

function writeTagged(writer: ByteWriter, tag: string, bytes: Uint8Array): void {
  writeTag(writer, tag);
  writer.longString(bytes);
}

function writeTag(writer: ByteWriter, tag: string): void {
  writer.octet(tag.charCodeAt(0));
}
