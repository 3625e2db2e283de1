import { RpcClient } from "../../mod.ts";
import { brokerUrl, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { startPair } from "../helpers/pair.ts";
import { failingNow, failureOf, reasonTest, type Row, startUnserved } from "../helpers/reasons.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";

/** What makes a queue send back to its callers what it drops. */
const RETURNS = { "x-dead-letter-exchange": "rpc.returns" };

const ROWS: readonly Row[] = [
  {
    call: "whose queue does not exist",
    code: "unroutable",
    phase: "unconfirmed",
    retryable: true,
    async provoke(stack) {
      const queue = randomQueue();
      const client = stack.use(await RpcClient.connect(brokerUrl(), { queue }));
      return failingNow(() => client.call("add", 1));
    },
  },
  {
    call: "that no server takes",
    code: "timeout",
    phase: "queued",
    retryable: true,
    async provoke(stack) {
      const { client } = await startUnserved(stack);
      const { failure, knowableAt } = failingNow(() => client.call("add", 1, { timeoutMs: 50 }));
      return { failure, knowableAt: knowableAt + 50 };
    },
  },
  {
    call: "for now or never without a server",
    code: "no-capacity",
    phase: "queued",
    retryable: true,
    async provoke(stack) {
      const { client } = await startUnserved(stack, RETURNS);
      return failingNow(() => client.call("add", 1, { immediate: true }));
    },
  },
  {
    call: "for now or never of a busy server",
    code: "no-capacity",
    phase: "queued",
    retryable: true,
    async provoke(stack) {
      const gate = Promise.withResolvers<void>();
      const server = { prefetch: 1 };
      const pair = stack.use(await startPair({ wait: () => gate.promise }, { server }));
      const busy = pair.client.call("wait");
      stack.defer(async () => {
        gate.resolve();
        await busy;
      });
      await eventually(() => assertEquals(pair.server.stats().active, 1));
      return failingNow(() => pair.client.call("wait", 1, { immediate: true }));
    },
  },
  {
    call: "that waits in its queue for too long",
    code: "expired",
    phase: "queued",
    retryable: true,
    async provoke(stack) {
      const { client } = await startUnserved(stack, { ...RETURNS, "x-message-ttl": 50 });
      const { failure, knowableAt } = failingNow(() => client.call("add", 1));
      return { failure, knowableAt: knowableAt + 50 };
    },
  },
  {
    call: "of a full queue that refuses",
    code: "queue-full",
    phase: "unconfirmed",
    retryable: true,
    async provoke(stack) {
      const limit = { "x-max-length": 1, "x-overflow": "reject-publish" };
      const { peer, queue, client } = await startUnserved(stack, limit);
      await peer.send(queue, "1");
      return failingNow(() => client.call("add", 1));
    },
  },
  {
    call: "that a full queue drops",
    code: "queue-full",
    phase: "queued",
    retryable: true,
    async provoke(stack) {
      const { peer, queue, client } = await startUnserved(stack, { ...RETURNS, "x-max-length": 1 });
      const failure = failureOf(client.call("add", 1));
      await eventually(async () => assertEquals(await peer.countMessages(queue), 1));
      await peer.send(queue, "1");
      return { failure, knowableAt: performance.now() };
    },
  },
  {
    call: "that a server rejects",
    code: "rejected",
    phase: "queued",
    retryable: false,
    async provoke(stack) {
      const { peer, queue, client } = await startUnserved(stack, RETURNS);
      const failure = failureOf(client.call("add", 1));
      await peer.giveBack(queue, { requeue: false });
      return { failure, knowableAt: performance.now() };
    },
  },
  {
    call: "that is given back too often",
    code: "delivery-limit",
    phase: "queued",
    retryable: false,
    async provoke(stack) {
      const quorum = { "x-queue-type": "quorum", "x-delivery-limit": 1 };
      const { peer, queue, client } = await startUnserved(stack, { ...RETURNS, ...quorum });
      const failure = failureOf(client.call("add", 1));
      await peer.giveBack(queue, { requeue: true });
      await peer.giveBack(queue, { requeue: true });
      return { failure, knowableAt: performance.now() };
    },
  },
  {
    call: "without a connection",
    code: "timeout",
    phase: "not-published",
    retryable: true,
    async provoke(stack) {
      const proxy = stack.use(FaultProxy.start(brokerUrl()));
      const pair = stack.use(await startPair({ echo: (v: unknown) => v }, { url: proxy.url }));
      stack.defer(() => proxy.restore());
      proxy.block();
      await eventually(() => assertEquals(pair.clientEvents.at(-1)?.type, "reconnecting"));
      const call = () => pair.client.call("echo", 1, { timeoutMs: 50 });
      const { failure, knowableAt } = failingNow(call);
      return { failure, knowableAt: knowableAt + 50 };
    },
  },
  {
    call: "that must not run twice, cut off,",
    code: "disconnected",
    phase: "queued",
    retryable: false,
    async provoke(stack) {
      const proxy = stack.use(FaultProxy.start(brokerUrl()));
      const gate = Promise.withResolvers<void>();
      const pair = stack.use(await startPair({ pay: () => gate.promise }, { url: proxy.url }));
      stack.defer(() => gate.resolve());
      const failure = failureOf(pair.client.call("pay", 1, { idempotent: false }));
      await eventually(() => assertEquals(pair.server.stats().active, 1));
      // The server may have it before its publisher knows that the broker has.
      await pair.client.notify("pay");
      proxy.cut();
      return { failure, knowableAt: performance.now() };
    },
  },
];

for (const row of ROWS) reasonTest(row);
