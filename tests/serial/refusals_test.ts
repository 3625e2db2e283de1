import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { pause } from "../../tools/time/waiting.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { ToldServer } from "../helpers/told_server.ts";

/** Pauses between attempts are up to 30 s, and rabbitmqctl takes its time on a busy machine. */
const LIMIT_MS = 120_000;

/** A broker refuses what it took before: how, what it is said to be, for how long, what ends it. */
interface Refusal {
  readonly refuse: (house: House) => Promise<unknown>;
  readonly says: string;
  readonly heldMs: number;
  readonly mend: (house: House) => Promise<unknown>;
}

/** A virtual host with a user of its own, so that several refusals can last at the same time. */
interface House {
  readonly name: string;
  readonly url: string;
  ctl(...args: readonly string[]): Promise<string>;
}

async function addUser({ name, ctl }: House): Promise<void> {
  await ctl("add_user", name, "right");
  await ctl("set_permissions", "-p", name, name, ".*", ".*", ".*");
}

async function build(node: PrivateNode, name: string): Promise<House> {
  const url = `${node.url.replace("guest:guest", `${name}:right`)}/${name}`;
  const house = { name, url, ctl: (...args: readonly string[]) => node.ctl(...args) };
  await house.ctl("add_vhost", name);
  await addUser(house);
  return house;
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  password: {
    refuse: ({ name, ctl }) => ctl("change_password", name, "other"),
    says: 'the broker refuses user "password": check the user name and password',
    heldMs: 10_000,
    mend: ({ name, ctl }) => ctl("change_password", name, "right"),
  },
  deletion: {
    refuse: ({ name, ctl }) => ctl("delete_user", name),
    says: 'the broker refuses user "deletion"',
    heldMs: 0,
    mend: addUser,
  },
  limit: {
    refuse: ({ name, ctl }) => ctl("set_vhost_limits", "-p", name, '{"max-connections":0}'),
    says: 'virtual host "limit" has as many connections as it may, 0',
    heldMs: 60_000,
    mend: ({ name, ctl }) => ctl("clear_vhost_limits", "-p", name),
  },
};

/** Has a server and a client refused, and looks that they say so, and serve again by themselves. */
async function outlast(house: House, { refuse, says, heldMs, mend }: Refusal): Promise<void> {
  const { name, url } = house;
  const options = { queue: "math", log: false };
  const handlers = { echo: (value: unknown) => value };
  await using server = await RpcServer.listen(url, { ...options, handlers });
  await using client = await RpcClient.connect(url, options);
  await using program = await ToldServer.start(url, "other");
  await using other = await RpcClient.connect(url, { queue: "other", log: false });
  const areTold = () =>
    [server, client].every(({ state }) => {
      return state.name === "reconnecting" && state.reason?.includes(says);
    });
  const all = () => JSON.stringify([server.state, client.state]);
  assertEquals(await client.call("echo", 1), 1);
  await refuse(house);
  await house.ctl("close_all_connections", "--vhost", name, "a test");
  await eventually(() => assert(areTold(), all()), LIMIT_MS);
  // Who comes for the first time is told the same, at once.
  const first = () => RpcClient.connect(url, options);
  assertEquals((await assertRejects(first, RpcError, says)).code, "access-refused");
  // How long it lasts is what is tried here.
  const endsAt = performance.now() + heldMs;
  while (performance.now() < endsAt) {
    assert(areTold(), all());
    await pause(100);
  }
  await mend(house);
  assertEquals(await client.call("echo", 2, { timeoutMs: LIMIT_MS }), 2);
  await eventually(() => {
    assertEquals([server.state.name, client.state.name], ["serving", "connected"]);
  }, LIMIT_MS);
  assertEquals(await other.call("echo", 3, { timeoutMs: LIMIT_MS }), 3);
  await program.assertTold("serving", "tries again: ", says, "serving again");
}

Deno.test(
  rabbitmqTest("A server and a client get over whatever their broker refuses", async () => {
    await using node = await PrivateNode.start();
    const houses = new Map<string, House>();
    for (const name of Object.keys(REFUSALS)) houses.set(name, await build(node, name));
    await Promise.all(Array.from(houses, async ([name, house]) => {
      const refusal = REFUSALS[name];
      assert(refusal !== undefined);
      await outlast(house, refusal);
    }));
  }),
);
