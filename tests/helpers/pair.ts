/** A server and a client on a queue of their own. @module */

import {
  type Handler,
  RpcClient,
  type RpcClientEvent,
  type RpcClientOptions,
  RpcServer,
  type RpcServerEvent,
  type RpcServerOptions,
} from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "./broker.ts";

/** The contract of most tests: any procedure, any input. */
export type Procedures = Record<string, Handler>;

/** What {@linkcode startPair} makes. */
export interface Pair extends AsyncDisposable {
  readonly url: string;
  readonly queue: string;
  readonly server: RpcServer;
  readonly client: RpcClient;
  /** All events of the server so far. */
  readonly serverEvents: readonly RpcServerEvent[];
  /** All events of the client so far. */
  readonly clientEvents: readonly RpcClientEvent[];
}

/** Options of {@linkcode startPair}. */
export interface PairOptions {
  readonly url?: string;
  readonly server?: Partial<RpcServerOptions>;
  readonly client?: Partial<RpcClientOptions>;
}

/** Starts a server with some handlers and a client that calls it; both go with the pair. */
export async function startPair(handlers: Procedures, options: PairOptions = {}): Promise<Pair> {
  const { url = brokerUrl() } = options;
  await using stack = new AsyncDisposableStack();
  const queue = randomQueue();
  stack.defer(() => deleteQueue(queue, url));
  const serverEvents: RpcServerEvent[] = [];
  const clientEvents: RpcClientEvent[] = [];
  const server = stack.use(
    await RpcServer.listen(url, {
      queue,
      handlers,
      onEvent: (event) => serverEvents.push(event),
      ...options.server,
    }),
  );
  const client = stack.use(
    await RpcClient.connect(url, {
      queue,
      onEvent: (event) => {
        // One for each call.
        if (event.type !== "call-settled") clientEvents.push(event);
      },
      ...options.client,
    }),
  );
  const owned = stack.move();
  return {
    url,
    queue,
    server,
    client,
    serverEvents,
    clientEvents,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
