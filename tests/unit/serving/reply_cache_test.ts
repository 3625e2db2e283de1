import { assertEquals, assertStrictEquals, assertThrows } from "../../../deps/std_assert.ts";
import type { EncodedReply } from "../../../internal/encoded_reply.ts";
import {
  type BatchOutputs,
  type CacheKey,
  ReplyCache,
} from "../../../internal/serving/keys/reply_cache.ts";
import { eventually } from "../../helpers/eventually.ts";

function outputOf(body: string | Uint8Array): EncodedReply {
  return { type: "output", body, contentType: "application/json" };
}

/** The key of a request that is delivered again, or one that its caller has set. */
function key(name: string): CacheKey {
  return { name, input: undefined, requireSame: () => {} };
}

/** The keys that a cache still has, of those that were put in. */
function keysOf(cache: ReplyCache, keys: string): string[] {
  return [...keys].filter((name) => cache.get(key(name)) !== undefined);
}

Deno.test("ReplyCache gives back the output that it keeps", () => {
  const cache = new ReplyCache({});
  const reply = outputOf("1");
  cache.keep(key("a"), reply);
  assertStrictEquals(cache.get(key("a")), reply);
  assertEquals(cache.get(key("b")), undefined);
});

Deno.test("ReplyCache keeps no error, so that a later try may succeed", () => {
  const cache = new ReplyCache({});
  cache.keep(key("a"), { ...outputOf("1"), type: "error" });
  assertEquals(cache.get(key("a")), undefined);
});

Deno.test("ReplyCache drops the oldest outputs beyond maxEntries", () => {
  const cache = new ReplyCache({ maxEntries: 2 });
  for (const name of "abc") cache.keep(key(name), outputOf("1"));
  assertEquals(keysOf(cache, "abc"), ["b", "c"]);
});

Deno.test("ReplyCache drops the oldest outputs beyond maxBytes", () => {
  const cache = new ReplyCache({ maxBytes: 10 });
  for (const name of "abc") cache.keep(key(name), outputOf(new Uint8Array(4)));
  assertEquals(keysOf(cache, "abc"), ["b", "c"]);
  cache.keep(key("d"), outputOf("x".repeat(11)));
  assertEquals(keysOf(cache, "abcd"), ["b", "c"]);
  cache.keep(key("e"), outputOf("x".repeat(10)));
  assertEquals(keysOf(cache, "abcde"), ["e"]);
});

Deno.test("ReplyCache counts the headers of its outputs, too", () => {
  const cache = new ReplyCache({ maxBytes: 1_000 });
  const headers = { trace: "x".repeat(300) };
  for (const name of "ab") cache.keep(key(name), { ...outputOf("1"), headers });
  assertEquals(keysOf(cache, "ab"), ["b"]);
  cache.keep(key("c"), { ...outputOf("1"), headers: { trace: "x".repeat(2_000) } });
  assertEquals(keysOf(cache, "bc"), ["b"]);
});

Deno.test("ReplyCache counts an output once that is kept again", () => {
  const cache = new ReplyCache({ maxBytes: 10, maxEntries: 2 });
  for (let times = 0; times < 5; times++) cache.keep(key("a"), outputOf("1234"));
  cache.keep(key("b"), outputOf("1234"));
  assertEquals(keysOf(cache, "ab"), ["a", "b"]);
});

Deno.test("ReplyCache forgets an output after maxAgeMs", async () => {
  const cache = new ReplyCache({ maxAgeMs: 20 });
  cache.keep(key("a"), outputOf("1"));
  assertEquals(keysOf(cache, "a"), ["a"]);
  await eventually(() => assertEquals(keysOf(cache, "a"), []));
});

Deno.test("ReplyCache refuses bounds that are none", () => {
  for (const bound of ["maxEntries", "maxBytes", "maxAgeMs"]) {
    for (const value of [0, -1, 1.5, NaN]) {
      assertThrows(() => new ReplyCache({ [bound]: value }), RangeError, `replyCache.${bound}`);
    }
  }
});

function ownKey(name: string): CacheKey {
  return key(`=\npay\n${name}`);
}

Deno.test("ReplyCache drops no key of a caller for those of redeliveries", () => {
  const told: unknown[] = [];
  const cache = new ReplyCache({ maxEntries: 2, maxBytes: 10 }, (...of) => told.push(of));
  cache.keep(ownKey("order"), outputOf("123"));
  for (const name of "abcdef") cache.keep(key(name), outputOf("12345"));
  assertEquals(cache.get(ownKey("order")), outputOf("123"));
  assertEquals([keysOf(cache, "abcdef"), told], [["f"], []]);
});

Deno.test("ReplyCache says which keys of callers it cannot keep", async () => {
  const told: unknown[] = [];
  const options = { maxEntries: 2, maxBytes: 10, maxAgeMs: 20 };
  const cache = new ReplyCache(options, (...of) => told.push(of));
  cache.keep(ownKey("large"), outputOf("x".repeat(11)));
  for (const name of "abc") cache.keep(ownKey(name), outputOf("1"));
  cache.keep(ownKey("d\n\u001b"), outputOf("123456789"));
  assertEquals(told, [
    ["pay", "large", "too-large"],
    ["pay", "a", "full"],
    ["pay", "b", "full"],
  ]);
  // Those that are too old anyway are not missed.
  await new Promise((resolve) => setTimeout(resolve, 25));
  cache.keep(ownKey("e"), outputOf("123"));
  assertEquals([cache.get(ownKey("c")), told.length], [undefined, 3]);
});

Deno.test("ReplyCache names the option that has taken the place of its scope", () => {
  const options = { maxEntries: 1, scope: "caller" };
  assertThrows(() => new ReplyCache(options), TypeError, '"idempotency.scope"');
});

/** The outputs of a batch that has one procedure. */
function batchOf(id: string, ...outputs: string[]): BatchOutputs {
  const replies = outputs.map((body, index) => ({
    index,
    isError: false,
    body,
    request: { procedure: "add" },
  }));
  return { id, replies };
}

Deno.test("ReplyCache counts a batch once that is kept again", () => {
  const cache = new ReplyCache({ maxBytes: 10, maxEntries: 3 });
  // Counted each time, it would take the place of all others for ever, those with keys of callers too.
  for (let times = 0; times < 5; times++) cache.keepBatch(batchOf("a", "1234"));
  cache.keepBatch(batchOf("b", "1234", "5"));
  assertEquals(cache.get(key("-\nadd\na.0"))?.body, "1234");
  assertEquals(cache.get(key("-\nadd\nb.1"))?.body, "5");
  cache.keepBatch(batchOf("c", "123"));
  assertEquals(cache.get(key("-\nadd\na.0")), undefined);
  assertEquals(cache.get(key("-\nadd\nc.0"))?.body, "123");
});

Deno.test("ReplyCache keeps no more of a batch than its outputs", () => {
  const cache = new ReplyCache({});
  // It has the input of the request, too, which is a part of the text of all inputs of its batch.
  const reply = { index: 0, isError: false, body: "1", request: { procedure: "add" } };
  cache.keepBatch({ id: "a", replies: [reply] });
  reply.body = "2";
  reply.request.procedure = "sub";
  assertEquals(cache.get(key("-\nadd\na.0"))?.body, "1");
});
