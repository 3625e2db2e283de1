import { RpcError } from "../../mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";
import { TestBroker, type UserOptions } from "../../testing/mod.ts";
import { AmqplibClient } from "./helpers/amqplib.ts";

/** The rights of docs/permissions.md. */
const ADMIN = {
  configure: "^math\\.parked\\.lock$",
  write: "^amq\\.default$",
  read: "^math\\.parked$",
};

/** A broker with two requests in the parking queue of `math`. */
async function startBroker(admin: Partial<typeof ADMIN> = {}) {
  const users: UserOptions[] = [
    { name: "guest", password: "guest" },
    { name: "admin", password: "secret", permissions: { "/": { ...ADMIN, ...admin } } },
  ];
  const broker = await TestBroker.start({ users });
  await using client = await AmqplibClient.open(broker.url);
  for (const queue of ["math", "math.parked"]) await client.channel.assertQueue(queue);
  for (const body of ["1", "2"]) await client.send("math.parked", body);
  return broker;
}

function openAsAdmin({ url }: TestBroker): Promise<ParkedRequests> {
  const admin = Object.assign(new URL(url), { username: "admin", password: "secret" });
  return ParkedRequests.open(admin, { queue: "math" });
}

/** How many messages the request queue and the parking queue have. */
function counts(broker: TestBroker): (number | undefined)[] {
  const messages = new Map(broker.queues().map(({ name, messages }) => [name, messages]));
  return [messages.get("math"), messages.get("math.parked")];
}

Deno.test("ParkedRequests that die between publish and ack leave requests in both queues", async () => {
  await using broker = await startBroker();
  await using parked = await ParkedRequests.open(broker.url, { queue: "math" });
  const struck = broker.faults.dropConnectionAt({ method: "basic.ack", direction: "received" });
  const error = await assertRejects(() => parked.redrive("all"), RpcError);
  assertEquals([(await struck).name, error.code], ["basic.ack", "disconnected"]);
  assertEquals(counts(broker), [2, 2]);
});

Deno.test("ParkedRequests that die before the publish is confirmed keep the request", async () => {
  await using broker = await startBroker();
  await using parked = await ParkedRequests.open(broker.url, { queue: "math" });
  broker.faults.dropConnectionAt({ method: "basic.publish", direction: "received" });
  const error = await assertRejects(() => parked.redrive("all"), RpcError);
  assertEquals([error.code, error.retryable], ["disconnected", true]);
  assertEquals(counts(broker), [0, 2]);
});

Deno.test("ParkedRequests does not count what a lost connection did not drop", async () => {
  await using broker = await startBroker();
  await using parked = await ParkedRequests.open(broker.url, { queue: "math" });
  broker.faults.dropConnectionAt({ method: "basic.ack", direction: "received", nth: 2 });
  assertEquals((await assertRejects(() => parked.drop("all"), RpcError)).code, "disconnected");
  assertEquals(counts(broker), [0, 1]);
});

Deno.test("ParkedRequests works with the rights of an administrator", async () => {
  await using broker = await startBroker();
  await using parked = await openAsAdmin(broker);
  const [first, second] = await parked.list();
  assertEquals((await parked.drop([first?.id ?? ""])).dropped, 1);
  assertEquals((await parked.inspect(second?.id ?? ""))?.bytes, 1);
  assertEquals((await parked.redrive("all")).redriven, 1);
  assertEquals(counts(broker), [1, 0]);
});

Deno.test("ParkedRequests says which right is missing, and keeps everything", async () => {
  {
    await using broker = await startBroker({ configure: "" });
    const error = await assertRejects(() => openAsAdmin(broker), RpcError);
    assertEquals(error.code, "access-refused");
    assertMatch(error.message, /refuses user "admin".* access to queue 'math\.parked\.lock'/);
  }
  for (const right of ["read", "write"]) {
    await using broker = await startBroker({ [right]: "" });
    await using parked = await openAsAdmin(broker);
    const error = await assertRejects(() => parked.redrive("all"), RpcError);
    assertEquals(error.code, "access-refused", right);
    assertMatch(error.message, right === "read" ? /may not read it/ : /may not write to it/);
    assertEquals(counts(broker), [0, 2]);
  }
});
