/** Methods of the log as JSON, for programs that read no field tables. @module */

import type { MethodEvent } from "../method_log.ts";
import { decodeText } from "../wire/byte_reader.ts";
import { decodeArray, decodeTable } from "../wire/field_table.ts";
import type { FieldTable, FieldValue } from "../wire/field_value.ts";

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | {
  readonly [name: string]: Json;
};

/** Returns a method as JSON: tables as objects, bytes as texts. */
export function methodJson(number: number, event: MethodEvent): Json {
  const { connection, channel, direction, name } = event;
  const values = Object.entries(event.arguments).map(([key, value]): [string, Json] => [
    key,
    argumentJson(value),
  ]);
  return { number, connection, channel, direction, name, arguments: Object.fromEntries(values) };
}

function argumentJson(value: unknown): Json {
  if (value instanceof Map) return tableJson(value);
  if (value instanceof Uint8Array) return decodeText(value);
  return typeof value === "string" || typeof value === "boolean" ? value : Number(value);
}

function tableJson(table: FieldTable): Json {
  return Object.fromEntries(
    [...table].map(([key, value]): [string, Json] => [key, valueJson(value)]),
  );
}

/** The depth of tables is bounded where they are read. */
function valueJson(value: FieldValue): Json {
  switch (value.type) {
    case "table":
      return tableJson(decodeTable(value.value));
    case "array":
      return decodeArray(value.value).map(valueJson);
    case "longstr":
    case "binary":
      return decodeText(value.value);
    case "decimal":
      return value.value.digits / 10 ** value.value.scale;
    case "void":
      return null;
    case "bool":
      return value.value;
    default:
      return Number(value.value);
  }
}
