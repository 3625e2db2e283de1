import { assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { RpcServer } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { warren } from "../helpers/warren.ts";

Deno.test("warren bench tells times, errors and files, and which loop it was", async () => {
  const queue = randomQueue();
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  let calls = 0;
  const handlers = {
    echo: (value: unknown) => value,
    fail: () => Promise.reject(Object.assign(new Error("no"), { code: "no-luck" })),
    even: () => calls++ % 2 === 0 ? 1 : Promise.reject(new Error("odd")),
  };
  await using _server = await RpcServer.listen(brokerUrl(), { queue, handlers, log: false });
  const bench = (...args: readonly string[]) => warren(["bench", queue, ...args]);
  const open = await bench(
    ...["echo", "1", "--rate", "50", "--duration", "400ms", "--clients", "2", "-j"],
    ...["--csv", `${folder}/a.csv`, "--svg", `${folder}/a.svg`],
  );
  const figures = JSON.parse(open.stdout);
  assertEquals(open.code, 0, open.stderr);
  assertEquals([figures.type, figures.loop, figures.calls], ["warren.rpc.v1.bench", "open", 20]);
  assertEquals([figures.errors, figures.notSent], [{}, 0]);
  assertMatch(open.stderr, /^open loop for 400 ms, 2 clients, 50 calls a second/m);
  const csv = await Deno.readTextFile(`${folder}/a.csv`);
  assertMatch(csv, /^second,calls,errors,p50_ms,p95_ms,p99_ms,max_ms\n0,\d+,0,[\d.,]+\n/);
  assertMatch(await Deno.readTextFile(`${folder}/a.svg`), /^<svg .*<\/svg>\n$/s);
  const closed = await bench("echo", "1", "--duration", "200ms", "--inflight", "4");
  assertEquals(closed.code, 0);
  assertMatch(closed.stdout, /^CALLS +PER S +P50 .* ERRORS\n +\d+ .* 0\n\n.* echo, ms\n/);
  const [partly, wholly, unknown, unwritable] = await Promise.all([
    bench("even", "--rate", "20", "--duration", "200ms", "-j"),
    bench("fail", "--rate", "20", "--duration", "100ms", "-j"),
    bench("none", "--rate", "20", "--duration", "100ms"),
    bench("echo", "--rate", "20", "--duration", "100ms", "--csv", `${folder}/no/where.csv`),
  ]);
  assertEquals(JSON.parse(partly?.stdout ?? "").errors, { "handler-error": 2 });
  assertEquals([partly, wholly, unknown, unwritable].map((result) => result?.code), [3, 1, 69, 65]);
  assertMatch(unknown?.stdout ?? "", /2 failed: unknown-procedure\n$/);
});
