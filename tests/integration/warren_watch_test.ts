import { assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { RpcServer } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { startWarren, warren } from "../helpers/warren.ts";

Deno.test("warren events tells what changes, and top prints lines into a pipe", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const handlers = { echo: (value: unknown) => value };
  const options = { queue, handlers, control: "admin", log: false } as const;
  await using _server = await RpcServer.listen(brokerUrl(), options);
  await using control = await RpcControl.connect(brokerUrl());
  const [{ id = "" } = {}] = await control.ping({ queue, expect: 1 });
  await using events = startWarren(["events", queue, "-o", "jsonl"]);
  const next = async () => JSON.parse(await events.nextLine());
  const { type, event, server, words } = await next();
  assertEquals([type, event, server], ["warren.rpc.v1.event", "server-appeared", id]);
  assertMatch(words, /^serving on /);
  await control.pause({ queue, expect: 1 });
  // The broker tells of consumers, and the server of itself: whoever is asked first.
  const changes = [await next(), await next()].map(({ event, words }) => `${event}: ${words}`);
  assertEquals(changes.toSorted(), [
    "consumers: 0 consumers, were 1",
    "state: paused, was serving",
  ]);
  const top = await warren(["top", queue, "-n", "1"]);
  assertEquals(top.code, 0);
  assertMatch(
    top.stdout,
    new RegExp(`^\\S+  ${queue}/${id}  paused  slots 0/0  in hand 0 .*parked 0\n$`),
  );
  const json = await warren(["top", queue, "-n", "1", "-o", "jsonl"]);
  const item = JSON.parse(json.stdout);
  assertEquals([item.type, item.id, item.state], ["warren.rpc.v1.top", id, "paused"]);
  assertEquals(item.queue, { ready: 0, consumers: 0, parked: 0 });
});
