import { assert, assertEquals, assertLess, assertRejects } from "../../deps/std_assert.ts";
import {
  type CallTiming,
  type Codec,
  RpcClient,
  type RpcClientEvent,
  RpcError,
  RpcServer,
  type RpcServerEvent,
  type RpcServerOptions,
  type ServedTiming,
} from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import type { Procedures } from "../helpers/pair.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";
import { eventually } from "../helpers/eventually.ts";

const WORKER = new URL("../fixtures/workers/timed_worker.ts", import.meta.url);
const DELAY_MS = 200;
/** How far a part may be off. */
const TOLERANCE_MS = 10;
/** So often a case is tried, as others may keep this machine's processors. */
const MAX_TRIES = 8;

type Part = Exclude<keyof CallTiming, "totalMs">;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const functions: Procedures = {
  echo: (input: unknown) => input,
  slow: () => pause(DELAY_MS),
  fail: async () => {
    await pause(DELAY_MS);
    throw new Error("as asked");
  },
  never: () => new Promise(() => {}),
  encode: (ms: unknown) => ms,
};

/** Numbers as text; a server's takes so many milliseconds to encode one. */
function numberCodec(isSlow: boolean): Codec {
  return {
    contentType: "application/x-slow",
    encode: (value) => {
      const endsAt = performance.now() + (isSlow ? Number(value) : 0);
      while (performance.now() < endsAt);
      return String(value);
    },
    decode: (body) => Number(typeof body === "string" ? body : new TextDecoder().decode(body)),
  };
}

/** A broker, a server and a client whose events are kept. */
async function start(options: Partial<RpcServerOptions> = {}, codecs: Codec[] = []) {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await TestBroker.start());
  const timings: CallTiming[] = [];
  const served: (ServedTiming | undefined)[] = [];
  stack.use(
    await RpcServer.listen(broker.url, {
      queue: "timed",
      handlers: functions,
      onEvent: (event: RpcServerEvent) => {
        if (event.type === "served") served.push(event.timing);
      },
      ...options,
    }),
  );
  const network = stack.use(FaultProxy.start(broker.url));
  const client = stack.use(
    await RpcClient.connect(network.url, {
      queue: "timed",
      codecs,
      onEvent: (event: RpcClientEvent) => {
        if (event.type === "call-settled") timings.push(event.timing);
      },
    }),
  );
  const owned = stack.move();
  return {
    broker,
    network,
    client,
    timings,
    served,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Scene = Awaited<ReturnType<typeof start>>;

/** Fails unless the delay is in one part, and in no other. */
function assertOnlyIn(part: Part | undefined, timing: CallTiming | undefined): void {
  assert(timing !== undefined, "no call has settled");
  const { totalMs: _, ...parts } = timing;
  for (const [name, ms] of Object.entries(parts)) {
    const told = `${name} in ${JSON.stringify(timing)}`;
    // On a busy machine the delay itself takes longer: all of it is in its part.
    if (name === part) assertLess(DELAY_MS - TOLERANCE_MS, ms, told);
    else assertLess(ms, TOLERANCE_MS, told);
  }
}

/** Does something until it is as expected. */
async function tried(attempt: () => Promise<void>): Promise<void> {
  for (let left = MAX_TRIES - 1;; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

/** The clocks of both sides are known once some calls were quick. */
async function warmUp({ client }: Scene, procedure = "echo"): Promise<void> {
  for (let count = 0; count < 30; count++) await client.call(procedure, 0);
}

Deno.test("A delay of the handler is in its part alone, in an error, too", async () => {
  await using scene = await start();
  await warmUp(scene);
  await tried(async () => {
    await scene.client.call("slow", null);
    await eventually(() => assertOnlyIn("runMs", scene.timings.at(-1)));
  });
  await tried(async () => {
    const error = await assertRejects(() => scene.client.call("fail", null), RpcError);
    assertOnlyIn("runMs", error.call?.timing);
  });
});

Deno.test("A delay of the encoding is in its part alone", async () => {
  await using scene = await start({ codecs: [numberCodec(true)] }, [numberCodec(false)]);
  await warmUp(scene);
  await tried(async () => {
    await scene.client.call("encode", DELAY_MS);
    assertOnlyIn("encodeMs", scene.timings.at(-1));
  });
});

Deno.test("A delay in the queue is in its part alone", async () => {
  await using scene = await start({ prefetch: 1 });
  await warmUp(scene);
  await tried(async () => {
    const first = scene.client.call("slow", null);
    await scene.client.call("echo", null);
    await first;
    assertOnlyIn("queuedMs", scene.timings.at(-1));
  });
});

Deno.test("A delay on the request's way is in its part alone", async () => {
  await using scene = await start();
  const { network, client } = scene;
  await warmUp(scene);
  await tried(async () => {
    network.shape({ latencyMs: DELAY_MS }, "up");
    await client.call("echo", null).finally(() => network.shape());
    assertOnlyIn("transitMs", scene.timings.at(-1));
  });
});

Deno.test("A delay on the way back is in its part alone", async () => {
  await using scene = await start();
  const { broker, client } = scene;
  await warmUp(scene);
  const connection = broker.connections().at(-1);
  assert(connection !== undefined);
  await tried(async () => {
    broker.faults.delay(DELAY_MS, { connection: connection.number });
    await client.call("echo", null).finally(() =>
      broker.faults.delay(0, { connection: connection.number })
    );
    assertOnlyIn("transitMs", scene.timings.at(-1));
  });
});

Deno.test("A delay of the reply's confirm is told by the server alone", async () => {
  const broker = Promise.withResolvers<TestBroker>();
  const held = async (input: unknown) => {
    await pause(20);
    const { faults } = await broker.promise;
    faults.holdConfirms();
    setTimeout(() => faults.releaseConfirms(), DELAY_MS);
    return input;
  };
  await using scene = await start({ handlers: { ...functions, held } });
  broker.resolve(scene.broker);
  await warmUp(scene);
  await eventually(() => assertEquals(scene.served.length, 30));
  await tried(async () => {
    const count = scene.served.length;
    await scene.client.call("held", null);
    await eventually(() => assertEquals(scene.served.length, count + 1));
    const timing = scene.served.at(-1);
    assertLess(Math.abs((timing?.confirmMs ?? 0) - DELAY_MS), TOLERANCE_MS);
    assertLess(timing?.backlogMs ?? NaN, TOLERANCE_MS);
    assertLess(scene.timings.at(-1)?.totalMs ?? NaN, DELAY_MS / 2);
  });
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`Delays in a pool's backlog and its ${isolation} are in their parts`, async () => {
    await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, isolation });
    const options = { handlers: pool.handlers(), prefetch: 4 };
    await using scene = await start(options, [numberCodec(false)]);
    await warmUp(scene, "run");
    for (const [procedure, part] of [["run", "runMs"], ["encode", "encodeMs"]] as const) {
      await tried(async () => {
        await scene.client.call(procedure, DELAY_MS);
        assertOnlyIn(part, scene.timings.at(-1));
      });
    }
    // A process reads its pipe when the task before has ended, which takes some milliseconds.
    if (isolation === "process") return;
    await tried(async () => {
      const first = scene.client.call("run", DELAY_MS);
      await scene.client.call("run", 0);
      await first;
      assertOnlyIn("backlogMs", scene.timings.at(-1));
    });
  });
}

Deno.test("A timeout says where the time went, as far as it is known", async () => {
  await using scene = await start();
  const call = () => scene.client.call("never", null, { timeoutMs: 150 });
  const error = await assertRejects(call, RpcError, "its request was queued");
  // Of the time of a request that has no reply nothing is known, which goes without saying.
  assert(!error.message.includes("unknown"), error.message);
  assert((error.call?.timing?.unknownMs ?? 0) > 100);
});

Deno.test("Many calls under load leave little of their time unknown", async () => {
  await using scene = await start();
  await warmUp(scene);
  scene.timings.length = 0;
  await Array.fromAsync(scene.client.map("echo", Array.from({ length: 10_000 }, (_, n) => n)));
  const shares = scene.timings.map(({ unknownMs, totalMs }) => unknownMs / totalMs).sort((a, b) =>
    a - b
  );
  assertEquals(shares.length, 10_000);
  assertLess(shares[9_900] ?? NaN, 0.05);
});
