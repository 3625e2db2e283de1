/** What is walked: one trip for each thing that this library does. @module */

import { type CallContext, RpcClient, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { beginAt, markArrival } from "./recorder.ts";

/** Records what an action enters, until everything is quiet again. */
export type Record = (action: () => Promise<unknown>) => Promise<void>;

/** Goes a trip; whatever it does outside of `record` is not counted. */
export type Trip = (record: Record) => Promise<void>;

/** All trips, by name. */
export const TRIPS: ReadonlyMap<string, Trip> = new Map<string, Trip>([
  ["call, inline handler", inPlace(({ client }) => client.call("echo", 1))],
  ["call, pool", inPlace(({ client }) => client.call("poolEcho", 1))],
  ["pool.run", inPlace(({ pool }) => pool.run("poolEcho", 1))],
  ["abort", inPlace(abort)],
  ["stream of 3", inPlace(({ client }) => Array.fromAsync(client.stream("three", 1)))],
  ["notify", inPlace(({ client }) => client.notify("echo", 1))],
  ["callAsync", inPlace(callAsync)],
  ["unroutable", unroutable],
  ["reconnect", reconnect],
  ["listen, connect, close", listenAndClose],
]);

/** A server with a pool and a client, on a broker in this process. */
interface Place extends AsyncDisposable {
  readonly broker: TestBroker;
  readonly pool: WorkerPool;
  readonly client: RpcClient;
  /** Resolves when the named handler is next entered or, as `aborted`, when its caller has gone. */
  readonly once: (moment: "started" | "aborted") => Promise<void>;
  /** Resolves when all three connections are up again. */
  readonly whenConnected: () => Promise<void>;
}

const QUEUE = "trips";
const CONNECTIONS = 3;

async function openPlace(): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await TestBroker.start());
  const pool = stack.use(
    await WorkerPool.open(new URL("./echo_worker.ts", import.meta.url), { maxWorkers: 1 }),
  );
  const waiting = new Map<string, () => void>();
  const tell = (moment: string) => waiting.get(moment)?.();
  const once = (moment: string) => new Promise<void>((resolve) => waiting.set(moment, resolve));
  let connected = 0;
  const onEvent = ({ type }: { readonly type: string }) => {
    if (type === "connected" && ++connected % CONNECTIONS === 0) tell("connected");
  };
  stack.use(
    await RpcServer.listen(broker.url, {
      queue: QUEUE,
      onEvent,
      handlers: {
        ...pool.handlers(),
        echo(input: unknown) {
          markArrival();
          return input;
        },
        *three() {
          yield* [1, 2, 3];
        },
        async wait(_: unknown, { signal }: CallContext) {
          tell("started");
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          tell("aborted");
        },
      },
    }),
  );
  const client = stack.use(await RpcClient.connect(broker.url, { queue: QUEUE, onEvent }));
  const owned = stack.move();
  return {
    broker,
    pool,
    client,
    once,
    whenConnected: () => once("connected"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Goes a trip twice, as the first time has to make what the second finds. */
function inPlace(action: (place: Place) => Promise<unknown>): Trip {
  return async (record) => {
    await using place = await openPlace();
    const begin = () => beginAt("user", () => action(place));
    await begin();
    await record(begin);
  };
}

async function abort({ client, once }: Place): Promise<void> {
  const controller = new AbortController();
  const started = once("started");
  const outcome = client.call("wait", 1, { signal: controller.signal }).catch(() => {});
  await started;
  const aborted = once("aborted");
  controller.abort();
  await Promise.all([outcome, aborted]);
}

async function callAsync({ client }: Place): Promise<void> {
  await new Promise<void>((resolve) => {
    client.callAsync("echo", 1, () => resolve());
  });
}

async function unroutable(record: Record): Promise<void> {
  await using broker = await TestBroker.start();
  await using stack = new AsyncDisposableStack();
  await record(async () => {
    const client = stack.use(await RpcClient.connect(broker.url, { queue: "nobody" }));
    await client.call("echo", 1).catch(() => {});
  });
}

async function reconnect(record: Record): Promise<void> {
  await using place = await openPlace();
  await record(async () => {
    const connected = place.whenConnected();
    place.broker.resetConnections();
    await connected;
  });
}

async function listenAndClose(record: Record): Promise<void> {
  await using broker = await TestBroker.start();
  await record(async () => {
    const echo = (input: unknown) => input;
    const server = await RpcServer.listen(broker.url, { queue: QUEUE, handlers: { echo } });
    const client = await RpcClient.connect(broker.url, { queue: QUEUE });
    await client.close();
    await server.close();
  });
}
