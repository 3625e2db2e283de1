import { assert, assertEquals } from "../../deps/std_assert.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { startPair } from "../helpers/pair.ts";

/** Several seconds of computing: more than RabbitMQ waits for heartbeats of 1 s. */
const LONG = 42;

Deno.test("RpcServer keeps its connection while all workers compute", async () => {
  await using pool = await WorkerPool.open(import.meta.resolve("../../workers/fibonacci.ts"));
  const handlers = { ...pool.handlers(), ping: () => "pong" };
  const heartbeatMs = 1_000;
  await using pair = await startPair(handlers, { server: { heartbeatMs } });
  const workers = navigator.hardwareConcurrency;
  let isBusy = true;
  const outputs = Promise.all(
    Array.from({ length: workers }, () => {
      return pair.client.call("slowFibonacci", LONG, { timeoutMs: 300_000 });
    }),
  ).finally(() => isBusy = false);
  let pings = 0;
  for (; isBusy; pings++) assertEquals(await pair.client.call("ping", 0), "pong");
  assertEquals(await outputs, Array(workers).fill(267_914_296));
  assert(pings > 0);
  const lost = pair.serverEvents.filter(({ type }) => type === "disconnected");
  assertEquals(lost, []);
});
