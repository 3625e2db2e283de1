import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import * as current from "../../mod.ts";
import type { CallContext, RpcClient, RpcClientOptions, RpcServer } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

/** What a release has in its file. It was bundled, so that no compiler looks at it. */
type Release = Pick<typeof current, "RpcClient" | "RpcServer" | "RpcRemoteError">;

const FOLDER = new URL("../fixtures/releases/", import.meta.url);
const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name);

/** A server of one release and a client of another one. */
interface Pair extends AsyncDisposable {
  readonly client: RpcClient;
  readonly server: RpcServer;
  /** What handlers were told. */
  readonly told: readonly string[];
}

async function startPair(
  { RpcServer }: Release,
  { RpcClient }: Release,
  options: Partial<RpcClientOptions> = {},
): Promise<Pair> {
  const told: string[] = [];
  await using stack = new AsyncDisposableStack();
  const queue = randomQueue();
  stack.defer(() => deleteQueue(queue));
  const handlers = {
    double: (n: bigint | number) => typeof n === "bigint" ? n * 2n : n * 2,
    note: (text: string) => void told.push(text),
    fail: () => {
      throw Object.assign(new RangeError("Cannot do it"), { code: "NOT_TODAY", details: [7] });
    },
    tenant: (_input: null, context: CallContext) => {
      context.setReplyHeader("served-for", String(context.headers.tenant));
      return context.headers.tenant;
    },
    async *count(to: number, context: CallContext) {
      try {
        for (let n = 1; n <= to; n++) {
          await Promise.resolve();
          context.progress(n);
          yield n;
        }
      } finally {
        told.push("the stream has ended");
      }
    },
    wait: async (_input: null, { signal }: CallContext) => {
      told.push("waiting");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      told.push("aborted");
    },
  };
  const server = stack.use(await RpcServer.listen(brokerUrl(), { queue, handlers, log: false }));
  const client = stack.use(await RpcClient.connect(brokerUrl(), { queue, log: false, ...options }));
  const owned = stack.move();
  return { client, server, told, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Everything that passes over the wire between the two. */
async function tryAll({ client, told }: Pair, { RpcRemoteError }: Release): Promise<void> {
  assertEquals(await client.call("double", 21), 42);
  assertEquals(await client.call("double", 2n ** 80n), 2n ** 81n);
  const error = await assertRejects(
    () => client.call("fail", null),
    RpcRemoteError,
    "Cannot do it",
  );
  assertEquals([error.remoteName, error.code, error.details], ["RangeError", "NOT_TODAY", [7]]);
  assertEquals(await client.call("tenant", null, { headers: { tenant: "acme" } }), "acme");
  const unknown = await assertRejects(() => client.call("none", null), RpcRemoteError);
  assertEquals(unknown.code, "unknown-procedure");

  await client.notify("note", "noted");
  await eventually(() => assert(told.includes("noted")));

  const progress: unknown[] = [];
  const onProgress = (value: unknown) => progress.push(value);
  assertEquals(await Array.fromAsync(client.stream("count", 300, { onProgress })), range(300));
  assertEquals(progress.at(-1), 300);
  for await (const n of client.stream("count", 1_000_000)) if (n === 10) break;
  await eventually(() => assertEquals(told.filter((text) => text.startsWith("the str")).length, 2));

  const abort = new AbortController();
  const waiting = client.call("wait", null, { signal: abort.signal });
  await eventually(() => assert(told.includes("waiting")));
  abort.abort(new Error("Enough"));
  await assertRejects(() => waiting, Error, "Enough");
  await eventually(() => assert(told.includes("aborted")));

  const outputs = await Promise.all(range(200).map((n) => client.call("double", n)));
  assertEquals(outputs, range(200).map((n) => 2 * n));
}

function range(to: number): number[] {
  return Array.from({ length: to }, (_, index) => index + 1);
}

assert(names.length > 0);
for (const name of names) {
  const version = name.replace(/\.js$/, "");
  for (const batching of [false, true]) {
    const calls = batching ? "calls in batches" : "calls";
    Deno.test(`A client of this version ${calls} a server of ${version}`, async () => {
      const release: Release = await import(new URL(name, FOLDER).href);
      await using pair = await startPair(release, current, { batching });
      await tryAll(pair, current);
    });

    Deno.test(`A client of ${version} ${calls} a server of this version`, async () => {
      const release: Release = await import(new URL(name, FOLDER).href);
      await using pair = await startPair(current, release, { batching });
      await tryAll(pair, release);
    });
  }
}
