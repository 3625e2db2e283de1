import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { gatedWork } from "../helpers/gated_work.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { startPair } from "../helpers/pair.ts";

/** Makes the broker forget all queues that it has named, and tell nobody: as a partition can. */
const FORGET = `
  Names = [N || {resource, _, queue, <<"amq.gen-", _/binary>>} = N <-
    [amqqueue:get_name(Q) || Q <- rabbit_amqqueue:list()]],
  [case erlang:function_exported(rabbit_db_queue, delete, 2) of
    true -> rabbit_db_queue:delete(N, normal);
    false -> mnesia:dirty_delete(rabbit_queue, N)
  end || N <- Names],
  length(Names).`;

/** A probe comes after 5 to 7.5 s. */
const LIMIT_MS = 20_000;

Deno.test(rabbitmqTest("RpcClient notices that its reply queue has vanished", async () => {
  await using node = await PrivateNode.start();
  const work = gatedWork();
  const { handlers } = work;
  await using pair = await startPair(handlers, { url: node.url });
  const call = pair.client.call("wait", 1, { timeoutMs: 6 * LIMIT_MS });
  // What fails first is to be told.
  call.catch(() => {});
  await eventually(() => assertEquals(work.runs, 1));
  // The control queue of the server and the reply queue of the client.
  assertEquals((await node.ctl("eval", FORGET)).trim(), "2");
  // Its binding to the exchange of returns is missed, too, by whoever looks first.
  const typesOf = () =>
    pair.clientEvents.map(({ type }) => type).filter((type) => type !== "returns-unavailable");
  await eventually(
    () => assertEquals(typesOf(), ["connected", "disconnected", "reconnecting", "connected"]),
    LIMIT_MS,
  );
  work.open();
  assertEquals(await call, 1);
  const lost = pair.clientEvents.find(({ type }) => type === "disconnected");
  assert(lost?.type === "disconnected");
  assertMatch(lost.error.message, /reply queue "amq\.gen-.+" does not exist/);
}));
