import { rabbitmqTest } from "../helpers/features.ts";
import { answersAmqp } from "../../tools/brokers/amqp_probe.ts";
import { ErlangNetwork } from "../../tools/brokers/erlang_network.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertFalse,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { exists, firstLine, gone, isAlive, removed } from "./processes.ts";

function addressOf(url: string): { readonly hostname: string; readonly port: number } {
  const { hostname, port } = new URL(url);
  return { hostname, port: Number(port) };
}

/** Addresses that a process listens on, as Linux's ss shows them. */
async function listeningAddresses(pid: number): Promise<string[]> {
  const { stdout } = await new Deno.Command("ss", { args: ["-Hltnp"] }).output();
  return new TextDecoder().decode(stdout).split("\n")
    .filter((line) => line.includes(`pid=${pid},`))
    .map((line) => line.trim().split(/\s+/)[3] ?? "");
}

Deno.test(rabbitmqTest("PrivateNode serves AMQP on loopback until it is disposed of", async () => {
  const node = await PrivateNode.start();
  const { pid, url, network } = node;
  assertExists(pid);
  assertMatch(url, /^amqp:\/\/guest:guest@127\.0\.0\.1:\d+$/);
  assert(await answersAmqp(addressOf(url)));
  for (const address of await listeningAddresses(pid)) assertMatch(address, /^127\.0\.0\.1:/);
  assertStringIncludes(await node.ctl("list_vhosts"), "/");
  await assertRejects(() => node.ctl("no_such_command"), Error, "no_such_command");
  await node[Symbol.asyncDispose]();
  await gone(pid);
  await gone(network.epmdPid);
  assertFalse(await exists(network.folder));
  assertFalse(await answersAmqp(addressOf(url)));
}));

Deno.test(
  rabbitmqTest(
    "PrivateNode keeps its data and its ports over a kill, and stops in order",
    async () => {
      await using node = await PrivateNode.start();
      const first = node.pid;
      assertExists(first);
      await node.ctl("add_vhost", "kept");
      await node.kill();
      assertEquals(node.pid, undefined);
      assertFalse(isAlive(first));
      await node.restart();
      assertNotEquals(node.pid, first);
      assertStringIncludes(await node.ctl("list_vhosts"), "kept");
      await node.stop();
      assertEquals(node.pid, undefined);
      assertFalse(await answersAmqp(addressOf(node.url)));
    },
  ),
);

Deno.test(rabbitmqTest("PrivateNode and its folder go when their owner is killed", async () => {
  const module = new URL("../../tools/brokers/private_node.ts", import.meta.url);
  const owner = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { PrivateNode } from "${module}";
       const node = await PrivateNode.start();
       console.log(node.pid, node.network.epmdPid, node.network.folder);
       await new Promise(() => setInterval(() => {}, 1_000));`,
    ],
    stdout: "piped",
  }).spawn();
  const [pid, epmdPid, folder = ""] = (await firstLine(owner.stdout)).split(" ");
  assert(isAlive(Number(pid)));
  owner.kill("SIGKILL");
  await owner.status;
  await gone(Number(pid));
  await gone(Number(epmdPid));
  await removed(folder);
}));

Deno.test(
  rabbitmqTest(
    "PrivateNode.start() says why a node does not start and leaves nothing",
    async () => {
      await using network = await ErlangNetwork.open();
      const { message } = await assertRejects(
        () => PrivateNode.start({ network, config: "no_such_setting = 1" }),
        Error,
      );
      assertStringIncludes(
        message,
        'Cannot start the private node "warren@localhost" as it has ended',
      );
      assertStringIncludes(message, "no_such_setting");
    },
  ),
);

Deno.test(rabbitmqTest("PrivateNode.start() names a port that is taken", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const amqpPort = taken.addr.port;
  const { message } = await assertRejects(() => PrivateNode.start({ amqpPort }), Error);
  assertStringIncludes(message, `${amqpPort}`);
}));

Deno.test(rabbitmqTest("PrivateNode.start() can be given up and leaves nothing", async () => {
  await using network = await ErlangNetwork.open();
  const reason = new Error("given up");
  const starting = PrivateNode.start({ network, signal: AbortSignal.timeout(300) });
  await assertRejects(() => starting, DOMException);
  await assertRejects(
    () => PrivateNode.start({ network, signal: AbortSignal.abort(reason) }),
    Error,
    "given up",
  );
  const { stdout } = await new Deno.Command("ps", { args: ["-eo", "args"] }).output();
  assertFalse(new TextDecoder().decode(stdout).includes(`${network.folder}/warren`));
}));

Deno.test(
  rabbitmqTest("PrivateNode leaves no port mapper when rabbitmqctl outlives its own", async () => {
    await using node = await PrivateNode.start();
    const { ERL_EPMD_PORT } = node.network.env;
    Deno.kill(node.network.epmdPid, "SIGKILL");
    await gone(node.network.epmdPid);
    await assertRejects(() => node.ctl("list_vhosts"), Error, "list_vhosts");
    // Nobody would end one that Erlang has started.
    await assertRejects(
      () => Deno.connect({ hostname: "127.0.0.1", port: Number(ERL_EPMD_PORT) }),
      Deno.errors.ConnectionRefused,
    );
  }),
);
