/**
 * A program that tries to connect in all ways that cannot work, and then in one that does. It shows
 * all that it is told, as a careless program would.
 */

import {
  RpcClient,
  type RpcClientEvent,
  RpcError,
  RpcServer,
  type RpcServerEvent,
} from "../../mod.ts";
import { showAll } from "../../tools/brokers/secrets.ts";
import { obeyOwner, tell } from "../servers/owner.ts";
import { type Attempt, readSettings } from "./attempts.ts";

const CALL_TIMEOUT_MS = 30_000;

const { queue, connectTimeoutMs, attempts, clientUrls, serverUrls } = readSettings();
const options = { queue, connectTimeoutMs, nodeOrder: "given" } as const;
const handlers = { echo: (input: unknown) => input };

obeyOwner();
await Promise.all(Object.entries(attempts).map(([name, urls]) => tryAll(name, urls)));

const refused = { client: Promise.withResolvers<void>(), server: Promise.withResolvers<void>() };
const server = await RpcServer.listen(serverUrls, {
  ...options,
  handlers,
  onEvent(event) {
    show("server", event);
    if (isRefused(event)) refused.server.resolve();
  },
});
const client = await RpcClient.connect(clientUrls, {
  ...options,
  onEvent(event) {
    show("client", event);
    if (event.type === "disconnected") callAgain();
    if (isRefused(event)) refused.client.resolve();
  },
});
await client.call("echo", 1);
tell({ type: "connected" });
await refused.client.promise;
await refused.server.promise;
await client.call("echo", 2, { timeoutMs: 1 }).catch((error: unknown) => show("client", error));
show("client", client);
show("server", server);
tell({ type: "refused" });
await client.call("echo", 3, { timeoutMs: CALL_TIMEOUT_MS });
tell({ type: "back" });
Deno.exit(0);

function isRefused(event: RpcClientEvent | RpcServerEvent): boolean {
  return event.type === "reconnecting" && event.error instanceof RpcError &&
    event.error.code === "access-refused";
}

/** A client and a server, one after the other, so that each takes its own time. */
async function tryAll(name: string, urls: readonly string[]): Promise<void> {
  const onEvent = (event: unknown) => show(name, event);
  const opens = {
    client: () => RpcClient.connect(urls, { ...options, onEvent }),
    server: () => RpcServer.listen(urls, { ...options, handlers, onEvent }),
  };
  for (const role of ["client", "server"] as const) {
    const start = performance.now();
    const error: unknown = await opens[role]().then(() => "connected", (error) => error);
    const ms = performance.now() - start;
    const isTyped = error instanceof RpcError;
    const outcome = isTyped ? error.code : "no typed error";
    const attempt: Attempt = {
      type: "attempt",
      name,
      role,
      outcome,
      retryable: isTyped && error.retryable,
      ms,
    };
    tell({ ...attempt });
    show(name, error);
  }
}

/** A call that is made while there is no connection. */
function callAgain(): void {
  client.call("echo", 3, { timeoutMs: CALL_TIMEOUT_MS })
    .then(() => tell({ type: "reconnected" }), (error: unknown) => show("client", error));
}

function show(who: string, value: unknown): void {
  console.error(who, value);
  tell({ type: "shown", who, text: showAll(value) });
}
