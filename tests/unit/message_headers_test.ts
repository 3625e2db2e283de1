import { assertEquals, assertThrows } from "../../deps/std_assert.ts";
import {
  checkMessageHeaders,
  readMessageHeaders,
  withHeader,
} from "../../internal/message_headers.ts";

/** As untyped callers do. */
// deno-lint-ignore no-explicit-any -- that is the point
const untyped = checkMessageHeaders as (action: string, headers: any) => unknown;

for (
  const [headers, reason] of [
    [null, '"headers" must be an object: current value is null'],
    [["a"], '"headers" must be an object'],
    [{ "rpc-deadline": 1 }, 'header "rpc-deadline" is not yours to set'],
    [{ "RPC-deadline": 1 }, 'header "RPC-deadline" is not yours to set'],
    [{ "x-delay": 1 }, 'header "x-delay" is not yours to set'],
    [{ CC: "audit" }, 'header "CC" is not yours to set'],
    [{ BCC: "audit" }, 'header "BCC" is not yours to set'],
    [{ "": 1 }, '"name of a header" must be a letter and up to 127'],
    [{ "two words": 1 }, '"name of a header" must be a letter and up to 127'],
    [{ ["n".repeat(129)]: 1 }, '"name of a header" must be a letter and up to 127'],
    [JSON.parse('{"__proto__": 1}'), '"name of a header" must be a letter'],
    [{ when: new Date(0) }, '"headers.when" must be a text, a boolean, or a number'],
    [{ count: 2 ** 53 }, '"headers.count" must be a text, a boolean, or a number'],
    [{ count: NaN }, '"headers.count" must be a text, a boolean, or a number'],
    [{ none: null }, '"headers.none" must be a text, a boolean, or a number'],
  ] as const
) {
  Deno.test(`checkMessageHeaders() refuses ${JSON.stringify(headers)?.slice(0, 40)}`, () => {
    assertThrows(() => untyped("call", headers), TypeError, `Cannot call as ${reason}`);
  });
}

Deno.test("checkMessageHeaders() copies what is there", () => {
  const headers = { tenant: "acme", "a.b_c-d": 1, absent: undefined };
  const copy = untyped("call", headers);
  headers.tenant = "other";
  assertEquals(copy, { tenant: "acme", "a.b_c-d": 1 });
});

Deno.test("withHeader() bounds what is set one by one", () => {
  const big = withHeader("reply", undefined, ["a", "x".repeat(40_000)]);
  assertThrows(
    () => withHeader("reply", big, ["b", "x".repeat(40_000)]),
    RangeError,
    "80014 bytes",
  );
  assertEquals(Object.keys(withHeader("reply", big, ["a", 1])), ["a"]);
});

Deno.test("readMessageHeaders() leaves out what could not be sent", () => {
  const table = {
    tenant: "acme",
    attempt: 3,
    "rpc-deadline": 1,
    "x-death": [],
    CC: ["q"],
    nested: { a: 1 },
    bytes: new Uint8Array(2),
    "two words": "no",
    ...JSON.parse('{"__proto__": "no", "nothing": null}'),
  };
  assertEquals(readMessageHeaders(table), { tenant: "acme", attempt: 3 });
  assertEquals(readMessageHeaders(undefined), {});
});
