/** Values of AMQP field tables, one type for every tag that RabbitMQ reads. @module */

import { decodeText } from "./byte_reader.ts";
import { encodeText } from "./byte_writer.ts";

/** RabbitMQ's names of the integer types, which its error texts show. */
export type IntegerType =
  | "byte"
  | "unsignedbyte"
  | "short"
  | "unsignedshort"
  | "signedint"
  | "unsignedint"
  | "long"
  | "timestamp";

/**
 * One value of a field table.
 *
 * Nested tables and arrays stay encoded until somebody asks: so no peer can make the broker recurse.
 */
export type FieldValue =
  | { readonly type: IntegerType; readonly value: bigint }
  | { readonly type: "double" | "float"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | {
    readonly type: "decimal";
    readonly value: { readonly scale: number; readonly digits: number };
  }
  | { readonly type: "longstr" | "binary" | "table" | "array"; readonly value: Uint8Array }
  | { readonly type: "void"; readonly value: undefined };

/** A decoded field table, in wire order. */
export type FieldTable = ReadonlyMap<string, FieldValue>;

/** Returns a table in the order of names, as RabbitMQ orders the tables that it changes. */
export function sortedTable(table: FieldTable): FieldTable {
  return new Map([...table].sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0)));
}

/** Returns a long string value. */
export function longString(text: string): FieldValue {
  return { type: "longstr", value: encodeText(text) };
}

/** Returns the text of a long string, or `undefined` if the value is of another type. */
export function textOf(value: FieldValue | undefined): string | undefined {
  return value?.type === "longstr" ? decodeText(value.value) : undefined;
}

/** Returns the integer of any integer type, or `undefined` if the value is of another type. */
export function integerOf(value: FieldValue | undefined): number | undefined {
  return typeof value?.value === "bigint" ? Number(value.value) : undefined;
}

/** Tells whether two values are equal; so are integers of different types, but not 1 and 1.0. */
export function fieldValuesEqual(one: FieldValue, other: FieldValue): boolean {
  return typeof one.value === typeof other.value && fieldValuesMatch(one, other);
}

/** Tells whether two values are equal, numbers of all types included. */
export function fieldValuesMatch(one: FieldValue, other: FieldValue): boolean {
  if (one.value instanceof Uint8Array && other.value instanceof Uint8Array) {
    return isNested(one) === isNested(other) && bytesEqual(one.value, other.value);
  }
  if (one.type === "decimal" && other.type === "decimal") {
    return one.value.scale === other.value.scale && one.value.digits === other.value.digits;
  }
  if (isNumeric(one.value) && isNumeric(other.value)) {
    return Number(one.value) === Number(other.value);
  }
  return one.value === other.value;
}

/** Renders a value as RabbitMQ's texts do: `the value '5' of type 'signedint'`. */
export function describeFieldValue(value: FieldValue | undefined): string {
  if (value === undefined) return "none";
  return `the value '${printFieldValue(value)}' of type '${value.type}'`;
}

function printFieldValue(value: FieldValue): string {
  switch (value.type) {
    case "longstr":
    case "binary":
      return decodeText(value.value);
    case "decimal":
      return `{${value.value.scale},${value.value.digits}}`;
    case "table":
    case "array":
      return "[...]";
    default:
      return String(value.value);
  }
}

function bytesEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function isNested({ type }: FieldValue): boolean {
  return type === "table" || type === "array";
}

function isNumeric(value: FieldValue["value"]): boolean {
  return typeof value === "bigint" || typeof value === "number";
}
