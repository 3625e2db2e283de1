import { assert, assertEquals } from "../../deps/std_assert.ts";
import { RpcClient, type RpcClientEvent, RpcError, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";

/** What docs/permissions.md grants a client with a durable reply queue. */
const REPLIES = "rpc\\.replies\\.billing";
const RIGHTS = {
  write: `^(amq\\.default|amq\\.gen.*|rpc\\.control|${REPLIES})$`,
  read: `^(amq\\.gen.*|rpc\\.returns|${REPLIES})$`,
};

type UnknownCallback = Extract<RpcClientEvent, { type: "callback-unknown" }>;

/** Has a client get a reply whose callback it has not, and tells what it says of it. */
async function unknownCallback(configure: string): Promise<UnknownCallback> {
  const user = { name: "web", password: "secret", permissions: { "/": { ...RIGHTS, configure } } };
  await using broker = await TestBroker.start({
    users: [{ name: "guest", password: "guest" }, user],
  });
  const handlers = { work: (n: number) => n };
  await using _server = await RpcServer.listen(broker.url, { log: false, queue: "math", handlers });
  const told = Promise.withResolvers<UnknownCallback>();
  const connect = () =>
    RpcClient.connect(broker.url.replace("guest:guest", "web:secret"), {
      queue: "math",
      replyQueue: { name: "billing" },
      callbackKeys: ["a secret of this client"],
      onEvent: (event) => event.type === "callback-unknown" && told.resolve(event),
    });
  const first = await connect();
  const isRunning = Promise.withResolvers<void>();
  // Never acknowledged, the reply comes again to the next start.
  first.registerCallback("save", () => {
    isRunning.resolve();
    return new Promise(() => {});
  });
  first.callAsync("work", 1, "save");
  await isRunning.promise;
  await first.close({ graceMs: 0 });
  await using _second = await connect();
  return await told.promise;
}

Deno.test("A reply for an unknown callback takes the documented right to be parked", async () => {
  const [granted, refused] = await Promise.all([
    unknownCallback(`^(amq\\.gen.*|${REPLIES}(\\.parked)?)$`),
    unknownCallback(`^(amq\\.gen.*|${REPLIES})$`),
  ]);
  assertEquals([typeof granted.parkedId, granted.error], ["string", undefined]);
  assertEquals(refused.parkedId, undefined);
  assert(refused.error instanceof RpcError);
  assertEquals(refused.error.code, "access-refused");
});
