/** Bodies that a broker refuses for their size, in every place where one can leave. @module */

import {
  type CallOptions,
  type RpcClient,
  RpcError,
  type RpcServer,
  type RpcServerOptions,
} from "../../mod.ts";
import { assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";
import { type Pair, startPair } from "./pair.ts";

/** Where the broker is, and the largest body that it takes. */
export interface Limited {
  readonly url: string;
  readonly maxBytes: number;
}

/** Options of {@linkcode startLimited}: of both sides. */
export interface LimitedOptions {
  readonly replyQueue?: "exclusive" | "direct";
  readonly maxBodyBytes?: number;
  readonly handlers?: RpcServerOptions["handlers"];
}

/** Handlers whose bodies are too large for a broker that takes no more than so many bytes. */
export function oversizeHandlers(maxBytes: number): NonNullable<RpcServerOptions["handlers"]> {
  const large = "x".repeat(maxBytes + 1);
  const failing = (properties: object) => () => {
    throw Object.assign(new Error("too large to travel"), properties);
  };
  return {
    echo: (value: unknown) => value,
    text: () => large,
    bytes: () => new Uint8Array(maxBytes + 1),
    details: failing({ details: large }),
    *items() {
      yield 1;
      for (;;) yield large;
    },
    progress(_input: unknown, context: { progress(value: unknown): void }) {
      context.progress(large);
      return "done";
    },
  };
}

/** Starts a server with {@linkcode oversizeHandlers} and a client, both unharmed so far. */
export function startLimited(
  { url, maxBytes }: Limited,
  options: LimitedOptions = {},
): Promise<Pair> {
  const { replyQueue = "exclusive", maxBodyBytes = 4 * maxBytes } = options;
  return startPair({}, {
    url,
    server: { maxBodyBytes, handlers: options.handlers ?? oversizeHandlers(maxBytes) },
    client: { maxBodyBytes, replyQueue, timeoutMs: 20_000 },
  });
}

/** Ways to have a body refused, by name; each rejects with `too-large`. */
export const OVERSIZE: Readonly<
  Record<string, (client: RpcClient, bytes: number) => Promise<unknown>>
> = {
  "an input": (client, bytes) => client.call("echo", new Uint8Array(bytes)),
  "a notification": (client, bytes) => client.notify("echo", "x".repeat(bytes)),
  "a stream's input": (client, bytes) => Array.fromAsync(client.stream("items", "x".repeat(bytes))),
  "a text": (client) => client.call("text"),
  "bytes": (client) => client.call("bytes"),
  "an error's details": (client) => client.call("details"),
  "an item": (client) => Array.fromAsync(client.stream("items")),
  "progress": (client) => client.call("progress", null, { onProgress: () => {} }),
};

/**
 * Has each kind of body refused, twice, with calls before, beside and behind it, and asserts that each
 * refusal is told at once, and that no other call has suffered.
 */
export async function assertOnlyGuiltySuffer(
  pair: Pair,
  maxBytes: number,
  options: CallOptions = {},
): Promise<void> {
  const { client } = pair;
  for (const [name, provoke] of Object.entries(OVERSIZE)) {
    for (const attempt of [1, 2]) {
      const before = echoes(client, options);
      const refused = assertRejects(() => provoke(client, maxBytes + 1), RpcError);
      const behind = echoes(client, options);
      const { code, message, retryable } = await refused;
      assertEquals(
        [code, retryable],
        ["too-large", false],
        `${name}, attempt ${attempt}: ${message}`,
      );
      assertMatch(message, /"maxBodyBytes" is \d+.*the broker's limit is \d+/, name);
      assertEquals([await before, await behind], [ECHOED, ECHOED], name);
    }
  }
}

/** Events that tell of a lost connection, or of a request that nobody was told of. */
export function lossesOf({ serverEvents, clientEvents }: Pair): string[] {
  const harmless = ["connected", "served"];
  return [...serverEvents, ...clientEvents].map(({ type }) => type)
    .filter((type) => !harmless.includes(type));
}

/** The server's counts of what has become of requests that it could not reply to. */
export function countsOf(server: RpcServer): readonly number[] {
  const { unpublished, crashed, orphaned, expired } = server.stats();
  return [unpublished, crashed, orphaned, expired];
}

const ECHOED = Array.from({ length: 10 }, (_, n) => n);

function echoes(client: RpcClient, options: CallOptions): Promise<unknown[]> {
  return Promise.all(ECHOED.map((n) => client.call("echo", n, options)));
}
