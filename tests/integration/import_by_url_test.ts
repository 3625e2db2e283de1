import { assert, assertEquals, assertFalse } from "../../deps/std_assert.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { startUrlProject } from "../helpers/url_project.ts";

const MAIN = `
import { RpcClient, RpcServer } from "ORIGIN/mod.ts";
import { WorkerPool } from "ORIGIN/workers/mod.ts";
import type { OwnContract } from "./own_worker.ts";

const [url = "", queue = ""] = Deno.args;
const worker = new URL("./own_worker.ts", import.meta.url);
await using pool = await WorkerPool.open<OwnContract>(worker, { maxWorkers: 2 });
await using server = await RpcServer.listen(url, {
  queue,
  handlers: pool.handlers(),
  log: false,
});
await using client = await RpcClient.connect<OwnContract>(url, { queue });
const outputs: (number | bigint)[] = await Promise.all([30, 31, 32].map((n) => client.call("power", n * 3)));
console.log(outputs.join(" "));
`;

const WORKER = `
import { expose } from "ORIGIN/workers/runtime.ts";

const procedures = { power: (n: number) => 2n ** BigInt(n) };
export type OwnContract = typeof procedures;

expose(procedures);
`;

/** What is for this repository's own use. */
const NOT_NEEDED_REGEXP =
  /^\/(tests|tools|testing|bench|chaos|examples)\/|std_(cli|assert)|fast_check/;

Deno.test("Client, server and pool work when imported by URL", async () => {
  await using project = await startUrlProject();
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const files = { "main.ts": MAIN, "own_worker.ts": WORKER };
  const { code, stdout, stderr } = await project.run(files, {
    args: [brokerUrl(), queue],
    flags: ["--check"],
  });
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.trim(), [90, 93, 96].map((n) => 2n ** BigInt(n)).join(" "));
  assert(project.requested.includes("/workers/runtime.ts"));
  assertFalse(project.requested.some((path) => NOT_NEEDED_REGEXP.test(path)));
});

Deno.test("A client imported by URL downloads nothing of the pool", async () => {
  await using project = await startUrlProject();
  const main = `
import { RpcClient } from "ORIGIN/mod.ts";

const [url = "", queue = ""] = Deno.args;
await using client = await RpcClient.connect(url, { queue });
console.log(await client.call("echo", 1).catch((error) => error.code));
`;
  const child = await project.run({ "main.ts": main }, {
    args: [brokerUrl(), randomQueue()],
  });
  assertEquals(child, { code: 0, stdout: "unroutable\n", stderr: "" });
  assertFalse(project.requested.some((path) => path.startsWith("/workers/")));
});
