import { assert, assertEquals } from "../../deps/std_assert.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { RpcTimeoutError } from "../../mod.ts";
import { runChild } from "../helpers/child.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

const MAIN = new URL("../../cli/main.ts", import.meta.url);

Deno.test("Operators ask, pause and resume a server, and find a request that times out", async () => {
  const hang = () => new Promise<never>(() => {});
  await using pair = await startPair({ hang, echo: (value: unknown) => value }, {
    server: { control: "admin" },
  });
  const { url, queue, client } = pair;
  await using control = await RpcControl.connect(url, { timeoutMs: 20_000 });
  const target = { queue, expect: 1 };
  assertEquals((await control.ping(target)).map(({ name }) => name), [queue]);
  // A broker that is busy may not answer in the 100 ms that there are.
  await eventually(async () => {
    const error = await client.call("hang", 0, { timeoutMs: 500 }).catch((error) => error);
    assert(error instanceof RpcTimeoutError);
    assert(/: it runs on server [\da-f]{12}/.test(error.message), error.message);
  });
  await control.pause(target);
  await eventually(async () => assertEquals((await control.queue(queue))?.consumers, 0));
  const waiting = client.call("echo", 1);
  await eventually(async () => assertEquals((await control.queue(queue))?.ready, 1));
  await control.resume(target);
  assertEquals(await waiting, 1);
  const [stats] = await control.stats(target);
  assertEquals(stats?.state, "serving");
});

Deno.test("warren calls, and lists servers", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const { url, queue } = pair;
  const run = (...args: readonly string[]) =>
    runChild(MAIN, { args, flags: ["--no-check"], env: { AMQP_URL: url }, limitMs: 60_000 });
  const [call, list] = await Promise.all([
    run("call", queue, "echo", "[1]"),
    run("ls", queue, "-j", "--expect", "1", "--timeout", "20s"),
  ]);
  assertEquals([call?.code, call?.stdout], [0, "[1]\n"]);
  const [found] = JSON.parse(list?.stdout ?? "");
  assertEquals([found.queue, found.servers, found.consumers, found.ready], [queue, 1, 1, 0]);
});
