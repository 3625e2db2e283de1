import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startWarren, warren } from "../helpers/warren.ts";

const RUNTIME = new URL("../../workers/runtime.ts", import.meta.url).href;

/** The worker of the server dies; the one on the developer's machine tells what it was given. */
const CODE = `import { expose } from "${RUNTIME}";
expose({
  crash: (input: unknown, context) => {
    if (Deno.env.get("CRASH") === "1") self.close();
    return { input, tenant: context.headers.tenant ?? null };
  },
  fail: () => { throw new TypeError("found it"); },
});
`;

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test("warren parked replay runs the bytes that came, and leaves the request parked", async () => {
  const queue = randomQueue();
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const file = `${folder}/math_worker.ts`;
  await Deno.writeTextFile(file, CODE);
  await Deno.writeTextFile(
    `${folder}/crash.ts`,
    CODE.replace('Deno.env.get("CRASH") === "1"', "true"),
  );
  await using pool = await WorkerPool.open(`file://${folder}/crash.ts`, { maxWorkers: 1 });
  await using _server = await RpcServer.listen(brokerUrl(), {
    queue,
    handlers: pool.handlers(),
    maxDeliveries: 1,
    log: false,
  });
  await using client = await RpcClient.connect(brokerUrl(), { queue, log: false });
  const input = { n: 90071992547409931234n, text: "ä" };
  await client.notify("crash", input, { headers: { tenant: "acme" } });
  await using parked = await ParkedRequests.open(brokerUrl(), { queue });
  const [request] = await eventually(async () => {
    const list = await parked.list();
    assertEquals(list.length, 1);
    return list;
  });
  await parked.close();
  const id = request?.id ?? "";
  const replayed = await warren(["parked", "replay", queue, id, file]);
  assertEquals(replayed.code, 0, replayed.stderr);
  assertEquals(
    replayed.stdout,
    '{"input":{"n":90071992547409931234,"text":"ä"},"tenant":"acme"}\n',
  );
  assertMatch(replayed.stderr, /crash ran for /);
  const again = await warren(["parked", "replay", queue, id, `${folder}/crash.ts`]);
  assertEquals([again.code, again.stdout], [1, ""]);
  assertMatch(again.stderr, /worker .*/);
  const ids = JSON.parse((await warren(["parked", "ls", queue, "-j"])).stdout);
  assertEquals(ids.map(({ id }: { id: string }) => id), [id]);
  const missing = await warren(["parked", "replay", queue, "none", file]);
  assertEquals(missing.code, 3);
  const nowhere = await warren(["parked", "replay", queue, id, "/no/such_worker.ts"]);
  assertEquals(nowhere.code, 65);
  assertStringIncludes(nowhere.stderr, 'Cannot run "/no/such_worker.ts" as there is no such file');
  const address = `127.0.0.1:${freePort()}`;
  // The worker waits for a debugger, which nobody brings here.
  await using debugged = startWarren([
    ...["parked", "replay", queue, id, file, `--inspect-brk=${address}`],
  ]);
  await debugged.line(
    `The worker waits for a debugger at ${address}: chrome://inspect, or an editor`,
  );
  await eventually(async () => {
    const targets = await (await fetch(`http://${address}/json/list`)).json();
    assertEquals(targets.length, 1);
  });
});
