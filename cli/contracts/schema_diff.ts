/** What one schema takes and another does not. @module */

import { jsonText } from "../output.ts";
import { isObject } from "./running_contract.ts";
import { resolveRef } from "./schema_text.ts";

/** A place where two schemas are not alike, in a way that matters. */
export interface SchemaDifference {
  readonly path: string;
  readonly was: string;
  readonly is: string;
}

/** What is deeper, or refers to itself, is taken to be the same. */
const MAX_DEPTH = 24;

/** Numbers that a value must not be less than, and those that it must not exceed. */
const LEAST = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const MOST = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];

/** Rules of which only the very same is known to take the same. */
const EXACT = [
  "pattern",
  "format",
  "multipleOf",
  "uniqueItems",
  "not",
  "contains",
  "propertyNames",
];

/** Whether a schema has more to say than its type. */
const DEEP = ["$ref", "anyOf", "oneOf", "allOf"];

interface Sides {
  /** What was taken, and what is to take all of it. */
  readonly wide: unknown;
  readonly narrow: unknown;
  readonly wideRoot: unknown;
  readonly narrowRoot: unknown;
  readonly path: string;
  readonly depth: number;
}

/**
 * Finds what a schema takes that another one refuses, as far as can be seen from their words: of rules
 * that cannot be compared, only the very same is alike.
 *
 * @param wide What was taken.
 * @param narrow What is to take all of it.
 * @param path Where they are, for the differences.
 */
export function schemaDiff(wide: unknown, narrow: unknown, path: string): SchemaDifference[] {
  return compare({ wide, narrow, wideRoot: wide, narrowRoot: narrow, path, depth: 0 });
}

function compare(sides: Sides): SchemaDifference[] {
  const { path, depth } = sides;
  const wide = resolved(sides.wide, sides.wideRoot);
  const narrow = resolved(sides.narrow, sides.narrowRoot);
  const differs = (was: unknown, is: unknown) => [{ path, was: short(was), is: short(is) }];
  if (depth > MAX_DEPTH || takesAll(narrow) || wide === false) return [];
  if (jsonText(wide) === jsonText(narrow) && sameDefinitions(sides, wide)) return [];
  if (!isObject(narrow) || !isObject(wide)) return differs(wide ?? "anything", narrow);
  const deeper = (change: Partial<Sides>) => compare({ ...sides, ...change, depth: depth + 1 });
  const branches = branchesOf(wide);
  if (branches !== undefined) return branches.flatMap((each) => deeper({ wide: each, narrow }));
  if (Array.isArray(narrow.allOf)) {
    return narrow.allOf.flatMap((each) => deeper({ wide, narrow: each }));
  }
  const choices = branchesOf(narrow);
  if (choices !== undefined) {
    const isTaken = choices.some((each) => deeper({ wide, narrow: each }).length === 0);
    return isTaken ? [] : differs(wide, narrow);
  }
  return [
    ...valueDifferences(wide, narrow, path),
    ...ruleDifferences(wide, narrow, path),
    ...memberDifferences(wide, narrow, sides),
    ...itemDifferences(wide, narrow, sides),
  ];
}

type Schema = Readonly<Record<string, unknown>>;

function takesAll(schema: unknown): boolean {
  if (schema === undefined || schema === true) return true;
  return isObject(schema) &&
    Object.keys(schema).every((key) => /^(\$|title$|descr|exampl)/.test(key)) &&
    !("$ref" in schema);
}

function resolved(schema: unknown, root: unknown): unknown {
  let found = schema;
  for (let turn = 0; turn < MAX_DEPTH; turn++) {
    if (!isObject(found) || typeof found.$ref !== "string") return found;
    found = resolveRef(root, found.$ref);
  }
  return undefined;
}

/** The same words are the same schema only if what they refer to is the same. */
function sameDefinitions({ wideRoot, narrowRoot }: Sides, schema: unknown): boolean {
  return !jsonText(schema ?? null).includes('"$ref"') ||
    jsonText(wideRoot) === jsonText(narrowRoot);
}

/** Schemas of which a value must be one: also those of several types. */
function branchesOf(schema: Schema): unknown[] | undefined {
  const { anyOf, oneOf, type } = schema;
  for (const branches of [anyOf, oneOf]) if (Array.isArray(branches)) return branches;
  return Array.isArray(type) ? type.map((each) => ({ ...schema, type: each })) : undefined;
}

function valueDifferences(wide: Schema, narrow: Schema, path: string): SchemaDifference[] {
  const [before, after] = [valuesOf(wide), valuesOf(narrow)];
  if (after !== undefined) {
    const known = new Set(after.map(jsonText));
    const isTaken = before?.every((value) => known.has(jsonText(value))) ?? false;
    if (!isTaken) return [{ path, was: short(before ?? wide), is: short(after) }];
    return [];
  }
  if (before !== undefined) return [];
  const [was, is] = [wide.type, narrow.type];
  if (is === undefined || was === is || (was === "integer" && is === "number")) return [];
  return [{ path, was: short(was ?? "anything"), is: short(is) }];
}

function valuesOf({ enum: values, ...schema }: Schema): unknown[] | undefined {
  return "const" in schema ? [schema.const] : Array.isArray(values) ? values : undefined;
}

function ruleDifferences(wide: Schema, narrow: Schema, path: string): SchemaDifference[] {
  const found = (rule: string) => ({
    path: `${path}.${rule}`,
    was: short(wide[rule] ?? "none"),
    is: short(narrow[rule]),
  });
  const number = (value: unknown, other: number) =>
    typeof value === "number" || typeof value === "bigint" ? Number(value) : other;
  return [
    ...LEAST.filter((rule) => number(narrow[rule], -Infinity) > number(wide[rule], -Infinity)),
    ...MOST.filter((rule) => number(narrow[rule], Infinity) < number(wide[rule], Infinity)),
    ...EXACT.filter((rule) =>
      narrow[rule] !== undefined && jsonText(narrow[rule]) !== jsonText(wide[rule] ?? null)
    ),
  ].map(found);
}

function memberDifferences(wide: Schema, narrow: Schema, sides: Sides): SchemaDifference[] {
  const { path, depth } = sides;
  const [before, after] = [membersOf(wide), membersOf(narrow)];
  const needed = namesOf(narrow.required).filter((name) => !namesOf(wide.required).includes(name));
  return [
    ...needed.map((name) => ({
      path: `${path}.${name}`,
      was: Object.hasOwn(before, name) ? "optional" : "absent",
      is: "required",
    })),
    ...Object.entries(before).flatMap(([name, member]) => {
      const at = `${path}.${name}`;
      const next = Object.hasOwn(after, name) ? after[name] : narrow.additionalProperties;
      if (next === false) return [{ path: at, was: short(member), is: "not allowed" }];
      return compare({ ...sides, wide: member, narrow: next, path: at, depth: depth + 1 });
    }),
  ];
}

function itemDifferences(wide: Schema, narrow: Schema, sides: Sides): SchemaDifference[] {
  const { path, depth } = sides;
  const [before, after] = [listOf(wide.prefixItems), listOf(narrow.prefixItems)];
  const at = (index: number) => ({
    wide: before[index] ?? wide.items,
    narrow: after[index] ?? narrow.items,
    path: `${path}[${index}]`,
  });
  const count = Math.max(before.length, after.length);
  const places = Array.from({ length: count }, (_, index) => at(index));
  if (narrow.items !== undefined && wide.type === "array" && before.length === 0) {
    places.push({ wide: wide.items, narrow: narrow.items, path: `${path}[]` });
  }
  return places.flatMap((place) => compare({ ...sides, ...place, depth: depth + 1 }));
}

function membersOf({ properties }: Schema): Schema {
  return isObject(properties) ? properties : {};
}

function namesOf(names: unknown): string[] {
  return listOf(names).filter((name) => typeof name === "string");
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A schema in a few words. */
function short(schema: unknown): string {
  if (typeof schema === "string") return schema;
  if (isObject(schema) && typeof schema.type === "string" && !DEEP.some((key) => key in schema)) {
    return schema.type;
  }
  const text = jsonText(schema);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
