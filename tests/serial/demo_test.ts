import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { runChild } from "../helpers/child.ts";

const DEMO = new URL("../../tools/demo/demo.ts", import.meta.url);

Deno.test("demo shows calls, a batch and an error, then ends", async () => {
  const { code, stdout, stderr } = await runChild(DEMO, { limitMs: 30_000 });
  assertStringIncludes(stdout, "fibonacci(30)   832040,");
  assertStringIncludes(stdout, "fibonacci(100)  354224848179261915075,");
  assertStringIncludes(stdout, "its callback got 2880067194370816120\n");
  assertStringIncludes(stdout, 'RpcRemoteError "invalid-input": Cannot compute fibonacci(n)\n');
  assertStringIncludes(stdout, "1 worker        24/24  ");
  assertMatch(stdout, /answered \d{2,} times meanwhile: median [\d.]+ ms, p99 [\d.]+ ms\n/);
  assertEquals([code, stderr], [0, ""]);
  assert(!/[^\n -~]/.test(stdout), "prints plain text only where there is no terminal");
});

Deno.test("demo says in one line that there is no broker", async () => {
  const env = { AMQP_URL: "amqp://127.0.0.1:1" };
  const { code, stderr } = await runChild(DEMO, { limitMs: 10_000, env });
  assertMatch(stderr, /^Cannot connect to the broker at 127\.0\.0\.1:1 .*\n$/);
  assertEquals(code, 1);
});
