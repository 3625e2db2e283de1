/** Matching of headers against the arguments of a binding. @module */

import { type FieldTable, fieldValuesEqual, textOf } from "../wire/field_value.ts";

/** Tells whether headers satisfy the arguments of a binding, as its `x-match` says. */
export function matchesHeaders(binding: FieldTable, headers: FieldTable): boolean {
  const kind = textOf(binding.get("x-match")) ?? "all";
  const usesX = kind.endsWith("-with-x");
  const criteria = [...binding].filter(([name]) =>
    name !== "x-match" && (usesX || !name.startsWith("x-"))
  );
  const isMet = ([name, expected]: (typeof criteria)[number]): boolean => {
    const actual = headers.get(name);
    if (actual === undefined) return false;
    // A void criterion asks only whether the header is there.
    return expected.type === "void" || fieldValuesEqual(expected, actual);
  };
  return kind.startsWith("any") ? criteria.some(isMet) : criteria.every(isMet);
}
