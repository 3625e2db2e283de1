import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
} from "../../deps/std_assert.ts";
import { RpcClient, RpcError } from "../../mod.ts";
import { ByteWriter, encodeText } from "../../testing/wire/byte_writer.ts";
import { textOf } from "../../testing/wire/field_value.ts";
import { FrameReader, FrameType, writeFrameWith } from "../../testing/wire/frame.ts";
import { decodeMethod, encodeMethod } from "../../testing/wire/method_codec.ts";
import { brokerUrl, randomQueue } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

const LIMIT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 300;

/** A broker that does with each connection what it is told. */
function startFake(serve: (connection: Deno.TcpConn) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      open.add(connection);
      serving.push(serve(connection).catch(() => {}));
    }
  })();
  return {
    url: `amqp://user:secret@127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) closeQuietly(connection);
      await accepting;
      await Promise.all(serving);
    },
  };
}

function closeQuietly(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // The client has closed it.
  }
}

function startMethod(mechanisms = "PLAIN"): Uint8Array {
  const writer = new ByteWriter();
  writeFrameWith(writer, { type: FrameType.method, channel: 0 }, () => {
    encodeMethod(writer, "connection.start", {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: new Map(),
      mechanisms: encodeText(mechanisms),
      locales: encodeText("en_US"),
    });
  });
  return writer.take();
}

async function connectError(url: string): Promise<RpcError> {
  const connecting = RpcClient.connect(url, {
    queue: randomQueue(),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  });
  return await within(LIMIT_MS, "connect()", assertRejects(() => connecting, RpcError));
}

const HUGE_FRAME = Uint8Array.of(1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 10);
const GREETINGS: Readonly<Record<string, Uint8Array>> = {
  "a frame of 4 GiB": HUGE_FRAME,
  "a frame without its end": Uint8Array.of(1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 10, 0),
  "an unknown frame": Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0xce),
  "an unknown method": Uint8Array.of(1, 0, 0, 0, 0, 0, 4, 0, 99, 0, 99, 0xce),
  "a method that is cut off": Uint8Array.of(1, 0, 0, 0, 0, 0, 5, 0, 10, 0, 10, 0, 0xce),
  "text": encodeText("HTTP/1.1 400 Bad Request\r\n\r\n"),
};

for (const [what, greeting] of Object.entries(GREETINGS)) {
  Deno.test(`Threat: a broker that greets with ${what} is left`, async () => {
    const before = Deno.memoryUsage().rss;
    await using fake = startFake(async (connection) => {
      await connection.write(greeting);
    });
    const error = await connectError(fake.url);
    assert(error.code === "misconfigured" || error.code === "unreachable", error.code);
    assertLess(Deno.memoryUsage().rss - before, 100 * 2 ** 20);
  });
}

Deno.test("Threat: a broker that falls silent after its greeting is left", async () => {
  await using fake = startFake(async (connection) => {
    await connection.write(startMethod());
  });
  assertEquals((await connectError(fake.url)).code, "unreachable");
});

Deno.test("Threat: a broker that greets without an end is left in time", async () => {
  await using fake = startFake(async (connection) => {
    for (const byte of startMethod("P".repeat(50_000))) {
      await connection.write(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  assertEquals((await connectError(fake.url)).code, "unreachable");
});

Deno.test("Threat: a broker learns what runs where, and no more", async () => {
  const seen = Promise.withResolvers<ReadonlyMap<string, string | undefined>>();
  await using fake = startFake(async (connection) => {
    await connection.read(new Uint8Array(8));
    await connection.write(startMethod());
    seen.resolve(await readClientProperties(connection));
  });
  await connectError(fake.url);
  const properties = await seen.promise;
  const known = [
    "capabilities",
    "connection_name",
    "information",
    "platform",
    "product",
    "version",
  ];
  assertEquals([...properties.keys()].toSorted(), known);
  const name = properties.get("connection_name");
  assertMatch(
    name ?? "",
    new RegExp(`^\\S+ client ${RegExp.escape(Deno.hostname())}:${Deno.pid}$`),
  );
  const told = [...properties.values()].join(" ");
  for (const part of [Deno.cwd(), Deno.execPath(), Deno.mainModule, "secret"]) {
    assert(!told.includes(part), `${told} has ${part}`);
  }
});

async function readClientProperties(connection: Deno.TcpConn) {
  const frames = new FrameReader(0x7fff_ffff);
  for (;;) {
    const buffer = new Uint8Array(65_536);
    const count = await connection.read(buffer);
    assert(count !== null);
    frames.push(buffer.slice(0, count));
    const frame = frames.next();
    if (frame === undefined) continue;
    const method = decodeMethod(frame.payload);
    assert(method.name === "connection.start-ok");
    const { clientProperties } = method.arguments;
    return new Map([...clientProperties].map(([name, value]) => [name, textOf(value)]));
  }
}

/** What a broker says out of turn, on a connection that works. */
const INTERJECTIONS: Readonly<Record<string, Uint8Array>> = {
  "a frame of 4 GiB": HUGE_FRAME,
  "a frame of 60 MB": Uint8Array.of(3, 0, 1, 3, 0x93, 0x87, 0),
  "an unknown frame": Uint8Array.of(9, 0, 1, 0, 0, 0, 0, 0xce),
  "an unknown method": Uint8Array.of(1, 0, 1, 0, 0, 0, 4, 0, 99, 0, 99, 0xce),
  // It is queue.purge-ok.
  "an answer to no question": Uint8Array.of(1, 0, 1, 0, 0, 0, 8, 0, 50, 0, 31, 0, 0, 0, 1, 0xce),
  "a method that is cut off": Uint8Array.of(1, 0, 1, 0, 0, 0, 5, 0, 60, 0, 60, 9, 0xce),
  "a body without a delivery": Uint8Array.of(3, 0, 1, 0, 0, 0, 1, 0, 0xce),
  "a frame on a channel of nobody": Uint8Array.of(3, 3, 0xe7, 0, 0, 0, 1, 0, 0xce),
};

for (const [what, bytes] of Object.entries(INTERJECTIONS)) {
  Deno.test(`Threat: ${what} costs one connection and no call`, async () => {
    const { hostname, port } = new URL(brokerUrl());
    const clients = new Set<Deno.TcpConn>();
    await using proxy = startFake(async (client) => {
      const broker = await Deno.connect({ hostname, port: Number(port) });
      clients.add(client);
      await Promise.allSettled([
        client.readable.pipeTo(broker.writable),
        pump(broker, client),
      ]);
      clients.delete(client);
    });
    const url = Object.assign(new URL(proxy.url), { username: "guest", password: "guest" }).href;
    await using pair = await startPair({ echo: (value: unknown) => value }, { url });
    assertEquals(await pair.client.call("echo", 1), 1);
    for (const client of clients) await client.write(bytes);
    assertEquals(await within(30_000, "a call", pair.client.call("echo", 2)), 2);
    await eventually(() => {
      const lost = pair.clientEvents.find(({ type }) => type === "disconnected");
      assert(lost?.type === "disconnected");
      assert(!/undefined|not a function|^The value/.test(lost.error.message), lost.error.message);
      assert(pair.clientEvents.filter(({ type }) => type === "connected").length > 1);
    });
    assertEquals(await pair.client.call("echo", 3), 3);
  });
}

async function pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    for (let start = 0; start < count;) start += await to.write(buffer.subarray(start, count));
  }
  closeQuietly(to);
}

Deno.test("Threat: an empty URL does not mean guest on this machine", async () => {
  for (const url of ["", " ", "amqp://", "//127.0.0.1"]) {
    await assertRejects(() => RpcClient.connect(url, { queue: "q" }), TypeError);
  }
});
