/**
 * Assertions for tests.
 *
 * @module
 */

export { AssertionError } from "./assertion_error.ts";
export { assertGreater, assertGreaterOrEqual, assertLess, assertLessOrEqual } from "./order.ts";
export { assertEquals, assertNotEquals, assertStrictEquals } from "./equality.ts";
export { assertRejects, assertThrows } from "./failures.ts";
export {
  assert,
  assertExists,
  assertFalse,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
  type Falsy,
  unreachable,
} from "./conditions.ts";
