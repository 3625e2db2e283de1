import { assertThrows } from "../../../deps/std_assert.ts";
import { checkReplyQueue } from "../../../internal/calling/client_session.ts";

Deno.test("checkReplyQueue() takes names that fit with their prefix", () => {
  for (const name of ["a", "x".repeat(243), "é".repeat(121)]) {
    checkReplyQueue({ name, durable: true });
  }
  checkReplyQueue("direct");
});

Deno.test("checkReplyQueue() refuses a name that the broker could not take", () => {
  for (const name of ["x".repeat(244), "é".repeat(122)]) {
    assertThrows(() => checkReplyQueue({ name, durable: true }), TypeError, "at most 243 bytes");
  }
  assertThrows(() => checkReplyQueue({ name: "", durable: true }), TypeError, "1 to 255 bytes");
});
