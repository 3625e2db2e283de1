import { Buffer } from "node:buffer";
import { connect } from "../../deps/amqplib.ts";
import { assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { RpcClient, RpcServer, type RpcServerOptions } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { brokerUrl, declareQueue, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { gatedWork } from "../helpers/gated_work.ts";
import { warren } from "../helpers/warren.ts";

const RUNTIME = new URL("../../workers/runtime.ts", import.meta.url).href;

const echo = (value: unknown) => value;

/** A queue of its own, with what is set up for it; all of it goes at the end. */
class Ward implements AsyncDisposable {
  readonly queue = randomQueue();
  readonly #stack = new AsyncDisposableStack();

  constructor() {
    this.defer(() => deleteQueue(this.queue));
  }

  defer(end: () => unknown): void {
    this.#stack.defer(async () => void await end());
  }

  async serve(options: Partial<RpcServerOptions> = {}): Promise<void> {
    const server = await RpcServer.listen(brokerUrl(), {
      queue: this.queue,
      handlers: { echo },
      control: "admin",
      log: false,
      ...options,
    } as RpcServerOptions);
    this.defer(() => server.close({ graceMs: 0 }));
  }

  async client(): Promise<RpcClient> {
    const client = await RpcClient.connect(brokerUrl(), { queue: this.queue, log: false });
    this.defer(() => client.close({ graceMs: 0 }));
    return client;
  }

  async channel() {
    const model = await connect(brokerUrl());
    this.defer(() => model.close());
    return await model.createConfirmChannel();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Each trap, with the checks that must find it, and how it is set up. */
const TRAPS: Readonly<
  Record<string, readonly [checks: readonly string[], set: (ward: Ward) => Promise<unknown>]>
> = {
  "no queue": [["queue"], () => Promise.resolve()],
  "nobody serves": [["consumers"], ({ queue }) => declareQueue(queue, { durable: true })],
  "a paused server": [["consumers", "servers that serve"], async (ward) => {
    await ward.serve();
    await using control = await RpcControl.connect(brokerUrl());
    await control.pause({ queue: ward.queue, expect: 1 });
    await eventually(async () => {
      assertEquals((await control.queue(ward.queue))?.consumers, 0);
    });
  }],
  "a server that nobody may ask": [["servers that answer"], async (ward) => {
    await ward.serve();
    await ward.serve({ control: "none" });
  }],
  "no room": [["backlog"], async (ward) => {
    const work = gatedWork();
    await ward.serve({ handlers: work.handlers, prefetch: 1 });
    const client = await ward.client();
    const calls = Promise.allSettled([1, 2, 3].map((n) => client.call("wait", n)));
    ward.defer(() => {
      work.open();
      return calls;
    });
    await using control = await RpcControl.connect(brokerUrl());
    await eventually(async () => assertEquals((await control.queue(ward.queue))?.ready, 2));
  }],
  "requests that waited for long": [["lag"], async (ward) => {
    await ward.serve();
    const channel = await ward.channel();
    // The first 48 bits of such an id are the time, a minute ago.
    const hex = (Date.now() - 60_000).toString(16).padStart(12, "0");
    const correlationId = `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-8def-0123456789ab`;
    const properties = { type: "echo", correlationId, contentType: "application/json" };
    channel.publish("", ward.queue, Buffer.from("1"), properties);
    await channel.waitForConfirms();
  }],
  "parked requests": [["parked requests"], async (ward) => {
    await ward.serve();
    await declareQueue(`${ward.queue}.parked`, { durable: true });
    const channel = await ward.channel();
    channel.publish("", `${ward.queue}.parked`, Buffer.from("1"));
    await channel.waitForConfirms();
  }],
  "versions that differ": [["versions"], async (ward) => {
    await ward.serve();
    await answerAs(ward, {
      version: "9.9.9",
      platform: "Deno",
      started: new Date().toISOString(),
      state: "serving",
      control: "read",
      prefetch: 1,
      endpoints: [{ name: "echo", kind: "call" }],
    });
  }],
  "procedures that differ": [["procedures"], async (ward) => {
    await ward.serve();
    await ward.serve({ handlers: { echo, more: echo } });
  }],
  "callers of what is not there": [["unknown procedures"], async (ward) => {
    await ward.serve();
    await Promise.allSettled([(await ward.client()).call("none")]);
  }],
  "a server that computes itself": [["server loop"], async (ward) => {
    await ward.serve();
    // Whether a question comes while a server computes is chance; this one says that it does.
    await answerAs(ward, { loopDelayMs: 400 }, "ping");
  }],
  "workers that cannot start": [["workers"], async (ward) => {
    const folder = await Deno.makeTempDir();
    ward.defer(() => Deno.remove(folder, { recursive: true }));
    const file = `${folder}/worker.ts`;
    const code = `import { expose } from "${RUNTIME}"; expose({ end: () => self.close() });`;
    await Deno.writeTextFile(file, code);
    // The other one goes on, with room for as many: a server without any takes no requests, and one
    // that is about to take more or fewer has no consumer for a moment, which is another trap.
    const pool = await WorkerPool.open(`file://${file}`, { minWorkers: 2, maxWorkers: 2 });
    ward.defer(() => pool.close({ graceMs: 0 }));
    await ward.serve({
      handlers: pool.handlers() as unknown as Record<string, never>,
      prefetch: 4,
    });
    await Deno.writeTextFile(file, "throw new Error('on purpose')");
    await Promise.allSettled([pool.run("end", undefined)]);
    await eventually(() => assertEquals(pool.stats().crashed, 1));
  }],
  "a queue whose drops nobody gets": [["dropped requests"], async (ward) => {
    const quorum = { durable: true, arguments: { "x-queue-type": "quorum" } };
    await declareQueue(ward.queue, quorum);
    await ward.serve();
  }],
  "clocks that differ": [["clocks"], async (ward) => {
    await ward.serve();
    await answerAs(ward, { loopDelayMs: 0, now: Date.now() + 60_000 }, "ping");
  }],
  "handlers that fail": [["errors"], async (ward) => {
    await ward.serve({ handlers: { fail: () => Promise.reject(new Error("no")) } });
    const client = await ward.client();
    await Promise.allSettled(Array.from({ length: 12 }, () => client.call("fail")));
  }],
};

/** What the machine is to blame for: it is found, and rightly, where it has too much to do. */
const OF_THE_MACHINE = ["broker round trip", "server loop"];

/** A server of another library, or of another version, that only answers operators. */
async function answerAs(ward: Ward, parts: object, only: string = "info"): Promise<void> {
  const channel = await ward.channel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, "rpc.control", ward.queue);
  await channel.consume(queue, (question) => {
    const { type, correlationId, replyTo } = question?.properties ?? {};
    if (type !== only) return;
    const answer = {
      type: `warren.rpc.v1.${only}`,
      name: ward.queue,
      id: "other",
      pid: 1,
      ...parts,
    };
    const properties = { type: "control-reply", correlationId };
    channel.publish("", replyTo, Buffer.from(JSON.stringify(answer)), properties);
  }, { noAck: true });
}

function isMeant(check: string, checks: readonly string[]): boolean {
  return checks.includes(check) || !OF_THE_MACHINE.includes(check);
}

interface Finding {
  readonly severity: string;
  readonly check: string;
  readonly remedy: string;
}

Deno.test("warren doctor prints what may help as a script, and runs nothing", async () => {
  await using ward = new Ward();
  await ward.serve();
  await using control = await RpcControl.connect(brokerUrl());
  await control.pause({ queue: ward.queue, expect: 1 });
  const { code, stdout } = await warren(["doctor", ward.queue, "--fix-script", "--expect", "1"]);
  assertEquals(code, 1);
  assertMatch(stdout, new RegExp(`^warren resume '${ward.queue}' --yes$`, "m"));
  assertEquals((await control.stats({ queue: ward.queue, expect: 1 }))[0]?.state, "paused");
  const both = await warren(["doctor", ward.queue, "--fix-script", "--format", "nagios"]);
  assertEquals([both.code, both.stdout], [64, ""]);
});

async function diagnose(queue: string): Promise<{ code: number; wrong: Finding[] }> {
  const { code, stdout, stderr } = await warren(["doctor", queue, "-j", "--timeout", "4s"]);
  assertMatch(stdout, /^\[/, stderr);
  const findings: Finding[] = JSON.parse(stdout);
  return { code, wrong: findings.filter(({ severity }) => severity !== "ok") };
}

Deno.test("warren doctor finds each of 15 traps, and says what to do", async (t) => {
  for (const [trap, [checks, set]] of Object.entries(TRAPS)) {
    await t.step(trap, async () => {
      await using ward = new Ward();
      await set(ward);
      const { code, wrong } = await diagnose(ward.queue);
      const found = wrong.map(({ check }) => check);
      assertEquals(found.filter((name) => isMeant(name, checks)), checks);
      assertEquals(wrong.every(({ remedy }) => remedy !== ""), true);
      assertEquals(code, wrong.some(({ severity }) => severity === "fail") ? 1 : 0);
    });
  }
});

Deno.test("warren doctor finds nothing where all is well", async () => {
  await using ward = new Ward();
  await ward.serve();
  await ward.serve();
  assertEquals(await (await ward.client()).call("echo", 1), 1);
  const { code, wrong } = await diagnose(ward.queue);
  assertEquals([code, wrong.filter(({ check }) => isMeant(check, []))], [0, []]);
});
