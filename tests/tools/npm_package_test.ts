import config from "../../deno.json" with { type: "json" };
import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { argumentsOf, commandOf } from "../helpers/doc_commands.ts";
import { docPrograms, programAt } from "../helpers/doc_programs.ts";
import { testUnless } from "../helpers/features.ts";
import { NodeProject, type NodeRuntime, whyNoNodeProject } from "../helpers/node_project.ts";
import { eventually } from "../helpers/eventually.ts";

const RUNTIMES: readonly NodeRuntime[] = ["node", "bun"];
const OTHERS: Readonly<Record<NodeRuntime, NodeRuntime>> = { node: "bun", bun: "node" };

/** What needs Deno; the command line would run as soon as it is imported. */
const NEEDS_DENO = /^\.\/(cli|create|testing\/main)$/;

interface Words {
  count(text: string): number;
  split(text: string): AsyncIterable<string>;
}

async function serves(broker: TestBroker): Promise<void> {
  await eventually(() => {
    assertEquals(broker.queues().find(({ name }) => name === "words")?.consumers, 1);
  });
}

/** A server of the page on one runtime, called from the other one and from Deno. */
async function tryServer(project: NodeProject, runtime: NodeRuntime): Promise<void> {
  await using broker = await TestBroker.start();
  const env = { AMQP_URL: broker.url };
  await using server = project.start(runtime, ["server.ts"], { env });
  await serves(broker);
  await using client = project.start(OTHERS[runtime], ["client.ts"], { env });
  const lines = [await client.nextLine(), await client.nextLine(), await client.nextLine()];
  assertEquals([lines, (await client.status).code], [["6", "be", "quick"], 0]);
  await using deno = await RpcClient.connect<Words>(broker.url, { queue: "words" });
  assertEquals(await deno.call("count", "a b"), 2);
  server.kill("SIGTERM");
  assertEquals((await server.status).code, 0);
}

/** The client of the page on one runtime, answered by a server on Deno. */
async function tryClient(project: NodeProject, runtime: NodeRuntime): Promise<void> {
  await using broker = await TestBroker.start();
  await using _server = await RpcServer.listen(broker.url, {
    queue: "words",
    handlers: { count: () => 2n ** 70n, split: () => ["x", "y"].values() },
  });
  const env = { AMQP_URL: broker.url };
  await using client = project.start(runtime, ["client.ts"], { env });
  assertEquals(await client.nextLine(), "1180591620717411303424n");
  assertEquals([await client.nextLine(), await client.nextLine()], ["x", "y"]);
  assertEquals((await client.status).code, 0);
}

/** Each entry is there, and a pool says that it needs Deno. */
async function tryEntries(project: NodeProject, runtime: NodeRuntime): Promise<void> {
  const entries = Object.keys(config.exports).filter((entry) => !NEEDS_DENO.test(entry));
  const names = entries.map((entry) => entry.replace(".", "@warren/rpc"))
    .filter((name) => name !== "@warren/rpc/workers/fibonacci");
  await project.write(
    "entries.mjs",
    `let loaded = 0;
for (const name of ${JSON.stringify(names)}) loaded += Object.keys(await import(name)).length > 0;
console.log(loaded);
const { logEvents } = await import("@warren/rpc/log");
logEvents({ write: console.log })({ type: "connected" });
const { WorkerPool } = await import("@warren/rpc/workers");
console.log(await WorkerPool.open("file:///none.js").then(() => "open", (error) => error.message));
`,
  );
  const output = await project.run(project.bin(runtime), "entries.mjs");
  const [loaded, event = "", pool = ""] = output.split("\n");
  assertEquals(Number(loaded), names.length);
  assertStringIncludes(event, '"type":"connected"');
  assertStringIncludes(pool, "pools need Deno");
}

/** The broker on Node: some of our own tests run with it. */
async function tryBroker(project: NodeProject): Promise<void> {
  await using broker = project.start("node", [project.bin("warren-broker"), "--port", "0"]);
  const [url = ""] = /amqp:.*$/.exec(await broker.nextLine()) ?? [];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", "tests/integration/call_test.ts"],
    cwd: new URL("../../", import.meta.url),
    env: { AMQP_URL: url, NO_COLOR: "1" },
    stderr: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(success, true, text);
  assertMatch(text, /\b\d\d passed/);
  broker.kill("SIGTERM");
  assertEquals((await broker.status).code, 0);
}

/** The page's command finds the broker in what is installed; that it serves is tried above. */
async function tryNpx(project: NodeProject): Promise<void> {
  const words = await argumentsOf(await commandOf("docs/node.md", "npx"));
  assertEquals(words, ["@warren/rpc", "--port", "5672"]);
  assertStringIncludes(await project.run("npx", "@warren/rpc", "--help"), "--port");
}

/** TypeScript takes the types for what they are: the wrong call is an error, the right one none. */
async function tryTypes(project: NodeProject): Promise<void> {
  await project.write(
    "types.ts",
    `import { RpcClient } from "@warren/rpc";
const client = await RpcClient.connect<{ add(n: number): number }>("", { queue: "q" });
const sum: number = await client.call("add", 1);
// @ts-expect-error There is no such procedure.
await client.call("sub", sum);
`,
  );
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "esnext"];
  await project.run(project.bin("tsc"), ...flags, "types.ts");
}

Deno.test(testUnless(whyNoNodeProject(), "The npm package works on Node and Bun", async (t) => {
  await using project = await NodeProject.open();
  const programs = await docPrograms();
  await project.write("server.ts", programAt(programs, "docs/node.md 1"));
  await project.write("client.ts", programAt(programs, "docs/node.md 2"));
  for (const runtime of RUNTIMES) {
    await t.step(`a server on ${runtime}`, () => tryServer(project, runtime));
    await t.step(`a client on ${runtime}`, () => tryClient(project, runtime));
    await t.step(`all entries on ${runtime}`, () => tryEntries(project, runtime));
  }
  await t.step("types", () => tryTypes(project));
  await t.step("the embedded broker on Node", () => tryBroker(project));
  await t.step("the embedded broker by npx", () => tryNpx(project));
}));
