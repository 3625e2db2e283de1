import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

/** The URL of the broker without its login, and the login. */
function apart(): { url: string; username: string; password: string } {
  const url = new URL(brokerUrl());
  const [username, password] = [url.username || "guest", url.password || "guest"]
    .map(decodeURIComponent);
  url.username = "";
  url.password = "";
  return { url: url.href, username: username ?? "", password: password ?? "" };
}

Deno.test("Credentials are renewed before they expire, and the connection lives on", async () => {
  const { url, username, password } = apart();
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const events: string[] = [];
  let asked = 0;
  const options = {
    queue,
    credentials: () =>
      Promise.resolve({ username, password, expiresAt: Date.now() + 1_400 + asked++ }),
    onEvent: ({ type }: { type: string }) => events.push(type),
  };
  stack.use(await RpcServer.listen(url, { ...options, handlers: { add: (n: number) => n + 1 } }));
  const client = stack.use(await RpcClient.connect(url, options));
  const first = asked;
  assertEquals(await client.call("add", 1), 2);
  await eventually(() => assert(asked >= first + 4, `asked ${asked} times`));
  assertEquals(await client.call("add", 2), 3);
  assertEquals(events.filter((type) => type === "disconnected"), []);
});

Deno.test("Credentials that cannot be had say why, and show no secret", async () => {
  const { url } = apart();
  const cases = [
    [() => Promise.reject(new Error("the vault is sealed")), "unreachable", "the vault is sealed"],
    [() => Promise.resolve("s3cret"), "misconfigured", "must give { password }"],
    [() => ({ password: "s3cret", expiresAt: "soon" }), "misconfigured", "must give { password }"],
    [() => ({ username: "nobody", password: "s3cret" }), "access-refused", '"nobody"'],
  ] as const;
  for (const [credentials, code, words] of cases) {
    const options = { queue: randomQueue(), credentials: credentials as never };
    const error = await assertRejects(() => RpcClient.connect(url, options), RpcError, words);
    assertEquals(error.code, code);
    assert(!Deno.inspect(error).includes("s3cret"));
  }
  const options = { queue: randomQueue(), credentials: "s3cret" as never };
  await assertRejects(() => RpcClient.connect(url, options), TypeError, '"credentials"');
});
