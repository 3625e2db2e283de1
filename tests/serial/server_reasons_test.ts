import {
  type Codec,
  RpcClient,
  type RpcClientOptions,
  type RpcError,
  RpcRemoteError,
  RpcServer,
} from "../../mod.ts";
import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { z } from "../../deps/zod.ts";
import { procedure } from "../../extras/schema.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Procedures, startPair } from "../helpers/pair.ts";
import {
  failingNow,
  failureOf,
  type Provoked,
  reasonTest,
  type Row,
  startUnserved,
} from "../helpers/reasons.ts";
import { nextOf } from "../helpers/amqp_peer.ts";

const FAULTY = new URL("../fixtures/workers/faulty_worker.ts", import.meta.url);
const MATRIX = new URL("../fixtures/workers/matrix_worker.ts", import.meta.url);

class StockError extends Error {
  override readonly name = "StockError";
  readonly code = "out-of-stock";
  readonly details = { left: 2n ** 64n };
  readonly retryable = true;
}

let runs = 0;

const handlers: Procedures = {
  count: () => ++runs,
  grow: (length: number) => "x".repeat(length),
  order() {
    throw new StockError("Cannot order as none is left");
  },
  area: procedure(
    { input: z.object({ width: z.number() }) },
    ({ width }) => runs += width,
  ),
};

/** A codec that breaks what it writes, to see what the other side makes of it. */
function brokenCodec(contentType: string, body: string): Codec {
  return { contentType, encode: () => body, decode: (body) => body };
}

/** Calls a procedure of {@linkcode handlers}. */
function calling(
  name: string,
  input: unknown,
  options: { client?: Partial<RpcClientOptions>; server?: { maxBodyBytes?: number } } = {},
): Row["provoke"] {
  return async (stack) => {
    runs = 0;
    const { client } = stack.use(await startPair(handlers, options));
    return failingNow(() => client.call(name, input));
  };
}

/** Calls a server that is played by hand and gives such a reply. */
function answeredWith(body: string, contentType: string): Row["provoke"] {
  return async (stack): Promise<Provoked> => {
    const { peer, queue, client } = await startUnserved(stack, {}, { maxBodyBytes: 1_000 });
    const requests = await peer.messages(queue);
    const failure = failureOf(client.call("add", 1));
    const { replyTo, correlationId } = (await nextOf(requests)).properties;
    await peer.send(replyTo, body, { correlationId, contentType });
    return { failure, knowableAt: performance.now() };
  };
}

/** Calls a procedure of a pool, and waits for its worker's end. */
function crashing(name: string): Row["provoke"] {
  return async (stack) => {
    const crashed = Promise.withResolvers<number>();
    const pool = stack.use(
      await WorkerPool.open(FAULTY, {
        maxWorkers: 1,
        onEvent: ({ type }) => type === "crashed" && crashed.resolve(performance.now()),
      }),
    );
    const queue = randomQueue();
    stack.defer(() => deleteQueue(queue));
    const client = stack.use(await RpcClient.connect(brokerUrl(), { queue }));
    const handlers = pool.handlers();
    stack.use(
      await RpcServer.listen(brokerUrl(), { log: false, queue, handlers, maxDeliveries: 1 }),
    );
    const failure = failureOf(client.call(name));
    return { failure, knowableAt: await crashed.promise };
  };
}

function isNotRun(): void {
  assertEquals(runs, 0);
}

const ROWS: readonly Row[] = [
  {
    call: "whose handler throws",
    code: "out-of-stock",
    phase: "replied",
    retryable: true,
    provoke: calling("order", 1),
    check(error: RpcError) {
      assert(error instanceof RpcRemoteError);
      const { message, details, remoteName, remoteStack } = error;
      assertEquals({ message, details, remoteName, remoteStack }, {
        message: "Cannot order as none is left",
        details: { left: 2n ** 64n },
        remoteName: "StockError",
        remoteStack: undefined,
      });
    },
  },
  {
    call: "of an unknown procedure",
    code: "unknown-procedure",
    phase: "replied",
    retryable: false,
    provoke: calling("missing", 1),
  },
  {
    call: "whose body is broken",
    code: "undecodable",
    phase: "replied",
    retryable: false,
    provoke: calling("count", 1, { client: { codecs: [brokenCodec("application/json", "{")] } }),
    check: isNotRun,
  },
  {
    call: "in an unknown format",
    code: "undecodable",
    phase: "replied",
    retryable: false,
    provoke: calling("count", 1, { client: { codecs: [brokenCodec("text/x-odd", "1")] } }),
    check: isNotRun,
  },
  {
    call: "whose input does not match its schema",
    code: "invalid-input",
    phase: "replied",
    retryable: false,
    provoke: calling("area", { width: "wide" }),
    check(error) {
      isNotRun();
      assertMatch(JSON.stringify(error.details), /"path":\["width"\]/);
    },
  },
  {
    call: "whose input is too large for the client",
    code: "too-large",
    phase: "not-published",
    retryable: false,
    provoke: calling("count", "x".repeat(100), { client: { maxBodyBytes: 100 } }),
    check: isNotRun,
  },
  {
    call: "whose input is too large for the server",
    code: "too-large",
    phase: "replied",
    retryable: false,
    provoke: calling("count", "x".repeat(1_000), { server: { maxBodyBytes: 1_000 } }),
    check: isNotRun,
  },
  {
    call: "whose output is too large for the server",
    code: "too-large",
    phase: "replied",
    retryable: false,
    provoke: calling("grow", 1_000, { server: { maxBodyBytes: 1_000 } }),
  },
  {
    call: "whose output is too large for the client",
    code: "too-large",
    phase: "replied",
    retryable: false,
    provoke: calling("grow", 1_000, { client: { maxBodyBytes: 1_000 } }),
  },
  {
    call: "whose output does not match its schema",
    code: "invalid-output",
    phase: "replied",
    retryable: false,
    provoke: calling("count", 1, { client: { outputs: { count: z.string() } } }),
  },
  {
    call: "whose input cannot be encoded",
    code: "unencodable",
    phase: "not-published",
    retryable: false,
    provoke: calling("count", { at: [new Date()] }),
    check: ({ message }) => assertMatch(message, /\$\.at\[0\]/),
  },
  {
    call: "with a broken reply",
    code: "undecodable",
    phase: "replied",
    retryable: false,
    provoke: answeredWith("{", "application/json"),
  },
  {
    call: "with a reply in an unknown format",
    code: "undecodable",
    phase: "replied",
    retryable: false,
    provoke: answeredWith("1", "text/x-odd"),
  },
  {
    call: "that crashes its worker",
    code: "worker-crashed",
    phase: "replied",
    provoke: crashing("exit"),
  },
  {
    call: "that runs over its time limit",
    code: "timeout",
    phase: "replied",
    async provoke(stack) {
      const pool = stack.use(await WorkerPool.open(MATRIX, { maxWorkers: 1, timeLimitMs: 50 }));
      const pair = stack.use(await startPair({}, { server: { handlers: pool.handlers() } }));
      const { failure, knowableAt } = failingNow(() => pair.client.call("politeLoop"));
      return { failure, knowableAt: knowableAt + 50 };
    },
  },
  {
    call: "of a server that is too busy until then",
    code: "timeout",
    phase: "queued",
    retryable: true,
    async provoke(stack) {
      const gate = Promise.withResolvers<void>();
      const pair = stack.use(await startPair({ wait: () => gate.promise }));
      stack.defer(() => gate.resolve());
      const call = () => pair.client.call("wait", 1, { timeoutMs: 50 });
      const { failure, knowableAt } = failingNow(call);
      return { failure, knowableAt: knowableAt + 50 };
    },
  },
  {
    call: "without a place among the pending ones",
    code: "overloaded",
    phase: "not-published",
    retryable: true,
    async provoke(stack) {
      const { client } = await startUnserved(stack, {}, { maxPending: 1 });
      const first = failureOf(client.call("add", 1));
      stack.defer(async () => {
        await Promise.all([first, client.close({ graceMs: 0 })]);
      });
      const { failure, knowableAt } = failingNow(() => client.call("add", 2, { timeoutMs: 50 }));
      return { failure, knowableAt: knowableAt + 50 };
    },
  },
  {
    call: "that its client gives up when it closes",
    code: "closed",
    phase: "queued",
    async provoke(stack) {
      const { peer, queue, client } = await startUnserved(stack);
      const failure = failureOf(client.call("add", 1));
      await eventually(async () => assertEquals(await peer.countMessages(queue), 1));
      await client.notify("add");
      client.close({ graceMs: 0 });
      return { failure, knowableAt: performance.now() };
    },
  },
  {
    call: "of a client that is closed",
    code: "closed",
    phase: "not-published",
    async provoke(stack) {
      const { client } = await startUnserved(stack);
      await client.close();
      return failingNow(() => client.call("add", 1));
    },
  },
];

for (const row of ROWS) reasonTest(row);
