import { assert, assertEquals, assertLess, assertRejects } from "../../deps/std_assert.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";
import type { LoopEvent } from "../fixtures/workers/cooperative_worker.ts";

const WORKER = new URL("../fixtures/workers/cooperative_worker.ts", import.meta.url);
const ROUNDS = 20;
const MAX_MEDIAN_MS = 50;

Deno.test("An abort stops a loop in a worker within 50 ms", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  await using pair = await startPair({}, { server: { handlers: pool.handlers() } });
  const events: LoopEvent[] = [];
  const channel = new BroadcastChannel("cooperative-loops");
  channel.onmessage = ({ data }) => events.push(data);
  const waitFor = (type: LoopEvent["type"], name: string) =>
    eventually(() => {
      const event = events.find((event) => event.type === type && event.name === name);
      assert(event !== undefined);
      return event;
    });
  const latencies: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const controller = new AbortController();
    const name = crypto.randomUUID();
    const call = assertRejects(() => pair.client.call("loop", name, controller));
    await waitFor("started", name);
    const abortedAt = Date.now();
    controller.abort();
    await call;
    latencies.push((await waitFor("stopped", name)).at - abortedAt);
  }
  assertLess(latencies.toSorted((a, b) => a - b)[ROUNDS / 2], MAX_MEDIAN_MS);
  await eventually(() => assertEquals(pair.server.stats().cancelled, ROUNDS));
  assertEquals(pool.stats().zombies, 0);
  channel.close();
});
