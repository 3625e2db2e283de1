/** JSON Schema as a type of TypeScript. @module */

import { jsonText } from "../output.ts";
import { isObject } from "./running_contract.ts";

/** What is deeper is `unknown`. */
const MAX_DEPTH = 12;

const SIMPLE: Readonly<Record<string, string>> = {
  string: "string",
  number: "number",
  integer: "number",
  boolean: "boolean",
  null: "null",
};

/** Where a schema is: what it refers to is found from its root. */
interface Place {
  readonly root: unknown;
  readonly indent: string;
  readonly depth: number;
  /** What it was referred to by: what refers to itself again is `unknown`. */
  readonly refs: readonly string[];
}

/** Writes a type; of what is no schema, or says nothing, `unknown`. */
export function schemaText(schema: unknown, indent: string = ""): string {
  return typeOf(schema, { root: schema, indent, depth: 0, refs: [] });
}

function typeOf(schema: unknown, place: Place): string {
  if (schema === false) return "never";
  if (!isObject(schema) || place.depth > MAX_DEPTH) return "unknown";
  const deeper = { ...place, depth: place.depth + 1 };
  const { $ref, const: only, enum: values, anyOf, oneOf, allOf, type } = schema;
  if (typeof $ref === "string") {
    if (place.refs.includes($ref)) return "unknown";
    return typeOf(resolveRef(place.root, $ref), { ...deeper, refs: [...place.refs, $ref] });
  }
  if ("const" in schema) return literalOf(only);
  if (Array.isArray(values)) return unionOf(values.map(literalOf));
  for (const branches of [anyOf, oneOf]) {
    if (Array.isArray(branches)) return unionOf(branches.map((each) => typeOf(each, deeper)));
  }
  if (Array.isArray(allOf)) {
    const parts = [...new Set(allOf.map((each) => typeOf(each, deeper)))];
    return parts.length === 1
      ? parts[0] ?? "unknown"
      : parts.map((part) => `(${part})`).join(" & ");
  }
  if (Array.isArray(type)) {
    return unionOf(type.map((each) => typeOf({ ...schema, type: each }, deeper)));
  }
  if (type === "object" || (type === undefined && isObject(schema.properties))) {
    return objectOf(schema, deeper);
  }
  if (type === "array") return arrayOf(schema, deeper);
  return typeof type === "string" ? SIMPLE[type] ?? "unknown" : "unknown";
}

function objectOf(schema: Readonly<Record<string, unknown>>, place: Place): string {
  const { properties, required, additionalProperties } = schema;
  const names = isObject(properties) ? Object.entries(properties) : [];
  const values = isObject(additionalProperties) ? typeOf(additionalProperties, place) : "unknown";
  if (names.length === 0) {
    return additionalProperties === false ? "Record<string, never>" : `Record<string, ${values}>`;
  }
  const needed = new Set<unknown>(Array.isArray(required) ? required : []);
  const inner = { ...place, indent: `${place.indent}  ` };
  const members = names.map(([name, member]) => {
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : jsonText(name);
    return `${inner.indent}${key}${needed.has(name) ? "" : "?"}: ${typeOf(member, inner)};`;
  });
  return ["{", ...members, `${place.indent}}`].join("\n");
}

function arrayOf({ items, prefixItems }: Readonly<Record<string, unknown>>, place: Place): string {
  const rest = items === undefined ? "unknown" : typeOf(items, place);
  if (!Array.isArray(prefixItems)) return /^[\w]+$/.test(rest) ? `${rest}[]` : `Array<${rest}>`;
  const parts = prefixItems.map((each) => typeOf(each, place));
  return `[${
    [...parts, ...(items === undefined || items === false ? [] : [`...Array<${rest}>`])].join(", ")
  }]`;
}

function literalOf(value: unknown): string {
  const isSimple = value === null || ["string", "number", "boolean"].includes(typeof value);
  if (typeof value === "bigint") return "number";
  return isSimple ? jsonText(value) : "unknown";
}

function unionOf(types: readonly string[]): string {
  const different = [...new Set(types)];
  if (different.includes("unknown")) return "unknown";
  return different.length === 0 ? "never" : different.join(" | ");
}

/** Finds what a reference within the same schema is to. */
export function resolveRef(root: unknown, ref: string): unknown {
  if (!ref.startsWith("#")) return undefined;
  const path = ref.slice(1).split("/").slice(1).map((part) =>
    part.replaceAll("~1", "/").replaceAll("~0", "~")
  );
  let found: unknown = root;
  for (const part of path) {
    if (!isObject(found) || !Object.hasOwn(found, part)) return undefined;
    found = found[part];
  }
  return found;
}
