/** Matching of headers against the arguments of a binding. @module */

import {
  type FieldTable,
  type FieldValue,
  fieldValuesEqual,
  fieldValuesMatch,
  textOf,
} from "../wire/field_value.ts";

/** How a criterion and a header are compared. */
export interface HeadersMatchRules {
  /** Whether 1 and 1.0 are different values. */
  readonly isStrict: boolean;
}

/** Tells whether headers satisfy the arguments of a binding, as its `x-match` says. */
export function matchesHeaders(
  binding: FieldTable,
  headers: FieldTable,
  { isStrict }: HeadersMatchRules,
): boolean {
  const kind = textOf(binding.get("x-match")) ?? "all";
  const usesX = kind.endsWith("-with-x");
  const criteria = [...binding].filter(([name]) =>
    name !== "x-match" && (usesX || !name.startsWith("x-"))
  );
  const isMet = ([name, expected]: (typeof criteria)[number]): boolean => {
    const actual = headers.get(name);
    if (actual === undefined) return false;
    // A void criterion asks only whether the header is there.
    if (expected.type === "void") return true;
    return isStrict
      ? fieldValuesEqual(expected, inMilliseconds(actual))
      : fieldValuesMatch(expected, actual);
  };
  return kind.startsWith("any") ? criteria.some(isMet) : criteria.every(isMet);
}

/** RabbitMQ 4 compares the milliseconds of a header with what the binding has in seconds. */
function inMilliseconds(value: FieldValue): FieldValue {
  return value.type === "timestamp" ? { type: "long", value: value.value * 1000n } : value;
}
