import { assert, assertEquals, assertFalse } from "../../../deps/std_assert.ts";
import { CallbackRegistry, type CallResult } from "../../../internal/calling/callback_registry.ts";

function newRegistry() {
  const failures: [string, unknown][] = [];
  const results: CallResult<unknown>[] = [];
  const registry = new CallbackRegistry((id, error) => failures.push([id, error]));
  return {
    registry,
    failures,
    results,
    callback: (result: CallResult<unknown>) => results.push(result),
  };
}

Deno.test("CallbackRegistry runs a callback once, and never at once", async () => {
  const { registry, results, callback } = newRegistry();
  const settled = registry.add("1", Promise.resolve(5), callback);
  assertEquals(results, []);
  await settled;
  assertEquals(results, [{ ok: true, output: 5 }]);
  assertFalse(registry.remove("1"));
});

Deno.test("CallbackRegistry hands on whatever a call rejects with", async () => {
  const { registry, results, callback } = newRegistry();
  for (const reason of [new Error("m"), undefined, "text"]) {
    await registry.add("1", Promise.reject(reason), callback);
    assertEquals(results.at(-1), { ok: false, error: reason });
  }
});

Deno.test("CallbackRegistry.remove() is in time until the outcome is there", async () => {
  const { registry, results, callback } = newRegistry();
  const settled = registry.add("1", Promise.resolve(5), callback);
  assert(registry.remove("1"));
  assertFalse(registry.remove("1"));
  await settled;
  assertEquals(results, []);
});

Deno.test("CallbackRegistry reports callbacks that throw or reject", async () => {
  const { registry, failures } = newRegistry();
  await registry.add("1", Promise.resolve(), () => {
    // deno-lint-ignore no-throw-literal -- users throw what they like
    throw "thrown";
  });
  await registry.add("2", Promise.resolve(), () => Promise.reject("rejected"));
  assertEquals(failures, [["1", "thrown"], ["2", "rejected"]]);
});
