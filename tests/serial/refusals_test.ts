import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";

/** Pauses between attempts are up to 30 s, and rabbitmqctl takes its time on a busy machine. */
const LIMIT_MS = 120_000;

/** A broker refuses what it took before: how, what it is said to be, and what ends it. */
interface Refusal {
  readonly refuse: (node: PrivateNode) => Promise<unknown>;
  readonly says: string;
  readonly mend: (node: PrivateNode) => Promise<unknown>;
}

async function addUser(node: PrivateNode): Promise<void> {
  await node.ctl("add_user", "anna", "right");
  await node.ctl("set_permissions", "anna", ".*", ".*", ".*");
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "a password that is changed": {
    refuse: (node) => node.ctl("change_password", "anna", "other"),
    says: 'the broker refuses user "anna": check the user name and password',
    mend: (node) => node.ctl("change_password", "anna", "right"),
  },
  "a user that is deleted and made again": {
    refuse: (node) => node.ctl("delete_user", "anna"),
    says: 'the broker refuses user "anna"',
    mend: addUser,
  },
  "a limit of connections": {
    refuse: (node) => node.ctl("set_vhost_limits", '{"max-connections":0}'),
    says: 'virtual host "/" has as many connections as it may, 0',
    mend: (node) => node.ctl("clear_vhost_limits"),
  },
};

Deno.test(
  rabbitmqTest("A server and a client get over whatever their broker refuses", async (t) => {
    await using node = await PrivateNode.start();
    await addUser(node);
    const url = node.url.replace("guest:guest", "anna:right");
    const queue = "math";
    const handlers = { echo: (value: unknown) => value };
    await using server = await RpcServer.listen(url, { queue, handlers, log: false });
    await using client = await RpcClient.connect(url, { queue, log: false });
    for (const [what, { refuse, says, mend }] of Object.entries(REFUSALS)) {
      await t.step(what, async () => {
        assertEquals(await client.call("echo", 1), 1);
        await refuse(node);
        await node.ctl("close_all_connections", "a test");
        await eventually(() => {
          for (const { state } of [server, client]) {
            assert(state.reason?.includes(says), state.reason);
          }
        }, LIMIT_MS);
        // Who comes for the first time is told the same, at once.
        const first = () => RpcClient.connect(url, { queue });
        assertEquals((await assertRejects(first, RpcError, says)).code, "access-refused");
        await mend(node);
        assertEquals(await client.call("echo", 2, { timeoutMs: LIMIT_MS }), 2);
        await eventually(() => {
          assertEquals([server.state.name, client.state.name], ["serving", "connected"]);
        }, LIMIT_MS);
      });
    }
  }),
);
