import { assert, assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import config from "../../deno.json" with { type: "json" };
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { brokerDefinitions } from "../../extras/definitions.ts";
import { healthHandler, HeartbeatFile } from "../../extras/health/mod.ts";
import { logEvents } from "../../extras/log_events.ts";
import { instrumentCalls, instrumentRequests } from "../../extras/otel/mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { withResilience } from "../../extras/resilience/resilience.ts";
import { createJsonCodec, RpcClient, RpcConnection, RpcServer } from "../../mod.ts";
import { fakeClient, localClient, TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { expose } from "../../workers/runtime.ts";
import { ROOT } from "../helpers/source_files.ts";

/** Options as an untyped caller may give them. */
// deno-lint-ignore no-explicit-any -- what the compiler would refuse
type Untyped = any;

const URL_OF_NOBODY = "amqp://127.0.0.1:1";
const WORKER = import.meta.resolve("../../workers/fibonacci.ts");

/** Functions that take an object and are not looked at here. */
const EXCEPT: Readonly<Record<string, string>> = {
  RpcError: "whoever makes an error has something else to tell",
  RpcRemoteError: "the same",
  RpcTimeoutError: "the same",
  "TestBroker.setUser": 'what it takes is called "user", and refused by that name',
};

/** What takes options, with whatever it needs. */
interface Things {
  readonly client: RpcClient;
  readonly server: RpcServer;
  readonly pool: WorkerPool;
  readonly control: RpcControl;
  readonly parked: ParkedRequests;
}

type Give = (options: Untyped, things: Things) => unknown;

const TAKERS: Readonly<Record<string, Give>> = {
  "RpcClient.connect": (options) => RpcClient.connect(URL_OF_NOBODY, options),
  "RpcClient.with": (options, { client }) => client.with(options),
  "RpcClient.call": (options, { client }) => client.call("a", 1, options),
  "RpcClient.callAsync": (options, { client }) => client.callAsync("a", 1, () => {}, options),
  "RpcClient.notify": (options, { client }) => client.notify("a", 1, options),
  "RpcClient.stream": (options, { client }) => Array.fromAsync(client.stream("a", 1, options)),
  "RpcClient.map": (options, { client }) => Array.fromAsync(client.map("a", [1], options)),
  "RpcClient.callAll": (options, { client }) => client.callAll([["a", 1]], options),
  "RpcClient.close": (options, { client }) => client.close(options),
  "RpcConnection.open": (options) => RpcConnection.open(URL_OF_NOBODY, options),
  "RpcServer.listen": (options) => RpcServer.listen(URL_OF_NOBODY, options),
  "RpcServer.close": (options, { server }) => server.close(options),
  "WorkerPool.open": (options) => WorkerPool.open(WORKER, options),
  "WorkerPool.run": (options, { pool }) => pool.run("fibonacci", 1, options),
  "WorkerPool.stream": (options, { pool }) => Array.fromAsync(pool.stream("fibonacci", 1, options)),
  "WorkerPool.close": (options, { pool }) => pool.close(options),
  "RpcControl.connect": (options) => RpcControl.connect(URL_OF_NOBODY, options),
  "RpcControl.active": (options, { control }) => control.active(options),
  "RpcControl.drain": (options, { control }) => control.drain(options),
  "ParkedRequests.open": (options) => ParkedRequests.open(URL_OF_NOBODY, options),
  "ParkedRequests.list": (options, { parked }) => parked.list(options),
  "HeartbeatFile.start": (options) => HeartbeatFile.start("/nowhere/heartbeat", {}, options),
  "TestBroker.start": (options) => TestBroker.start(options),
  createJsonCodec,
  expose: (options) => expose({ a: () => 1 }, options),
  brokerDefinitions,
  logEvents,
  healthHandler: (options) => healthHandler({}, options),
  instrumentCalls: (options) => instrumentCalls(options),
  instrumentRequests: (options) => instrumentRequests("math", options),
  withResilience: (options, { client }) => withResilience(client, options),
  fakeClient: (options) => fakeClient({ a: () => 1 }, options),
  localClient: (options) => localClient({ a: () => 1 }, options),
};

async function errorOf(give: () => unknown): Promise<unknown> {
  try {
    return await give();
  } catch (error) {
    return error;
  }
}

Deno.test("Options that are no object are refused by whatever takes some", async (t) => {
  await using broker = await TestBroker.start();
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  const options = { queue: "math", log: false };
  const handlers = { a: () => 1 };
  await using server = await RpcServer.listen(broker.url, { ...options, handlers });
  await using client = await RpcClient.connect(broker.url, options);
  await using control = await RpcControl.connect(broker.url);
  await using parked = await ParkedRequests.open(broker.url, { queue: "math" });
  const things = { client, server, pool, control, parked };
  for (const [name, give] of Object.entries(TAKERS)) {
    await t.step(name, async () => {
      for (const wrong of [5_000, null, "math", [5_000]]) {
        const error = await errorOf(() => give(wrong, things));
        assert(error instanceof TypeError, `${Deno.inspect(wrong)}: ${error}`);
        assertStringIncludes(error.message, 'as "options" must be an object: current value is');
      }
    });
  }
  // None of them has closed anything.
  assertEquals(await client.call("a"), 1);
  assertEquals(await pool.run("fibonacci", 10), 55);
});

/** A part of what `deno doc --json` tells. */
interface Documented {
  readonly name: string;
  readonly declarations: readonly { readonly kind: string; readonly def: Untyped }[];
}

/** A function, or a method with the name of its class. */
interface Signature {
  readonly name: string;
  readonly params: readonly unknown[];
}

Deno.test("No public function with options is forgotten here", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...Object.values(config.exports)],
    cwd: ROOT,
    stderr: "null",
  }).output();
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const modules = Object.values(nodes as Record<string, { symbols: Documented[] }>);
  const takers = modules.flatMap(({ symbols }) => symbols).flatMap(signaturesOf)
    .filter(({ params }) => /"typeName":"\w+Options"/.test(JSON.stringify(params)))
    .map(({ name }) => name);
  const known = [...Object.keys(TAKERS), ...Object.keys(EXCEPT)];
  assertEquals([...new Set(takers)].sort(), known.sort());
});

function signaturesOf({ name, declarations }: Documented): Signature[] {
  return declarations.flatMap(({ kind, def }) => {
    if (kind === "function") return [{ name, params: def.params }];
    if (kind !== "class") return [];
    const isPublic = ({ accessibility }: Untyped) => accessibility !== "private";
    const { constructors = [], methods = [] } = def;
    return [
      ...constructors.filter(isPublic).map(({ params }: Untyped) => ({ name, params })),
      ...methods.filter(isPublic).map((method: Untyped) => ({
        name: `${name}.${method.name}`,
        params: method.functionDef.params,
      })),
    ];
  });
}
