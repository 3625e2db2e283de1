import { Buffer } from "node:buffer";
import { Writable } from "node:stream";
import { connect } from "../../../deps/amqplib.ts";
import { fc } from "../../../deps/fast_check.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../../../deps/std_assert.ts";
import {
  AMQPLIB_VERSION,
  AmqplibInsideError,
  gatherWrites,
  patchAmqplibInside,
  readPropertiesWithoutHeaders,
} from "../../../internal/broker/amqplib_inside.ts";
import { AmqpConnection } from "../../../internal/broker/amqp.ts";
import { parseBrokerUrl } from "../../../internal/broker/broker_address.ts";
import { TestBroker } from "../../../testing/mod.ts";
import { BasicProperties } from "../../../testing/wire/basic_properties.ts";
import { runChild } from "../../helpers/child.ts";
import { eventually } from "../../helpers/eventually.ts";
import { textOf } from "../../helpers/source_files.ts";

function fixture(name: string): URL {
  return new URL(`../../fixtures/changed_amqplib/${name}`, import.meta.url);
}

Deno.test("amqplib still has the private members that this package patches", async () => {
  await using broker = await TestBroker.start();
  const model = await connect(broker.url);
  try {
    // If this fails, amqplib has changed: compare its lib/connection.js with the version that
    // AMQPLIB_VERSION names, mend internal/broker/amqplib_inside.ts, then raise both versions.
    patchAmqplibInside(model.connection);
  } finally {
    await model.close();
  }
  assert(textOf("deps/amqplib.ts").includes(`"npm:amqplib@${AMQPLIB_VERSION}"`));
});

for (const member of ["recvFrame", "rest", "stream", "releaseChannel", "sendMessage"]) {
  Deno.test(`With an amqplib without "${member}" nothing connects or stays open`, async () => {
    await using broker = await TestBroker.start();
    const { code, stdout, stderr } = await runChild(fixture("program.ts"), {
      flags: ["--no-check", `--import-map=${fixture("import_map.json").pathname}`],
      args: [member, broker.url],
      limitMs: 20_000,
    });
    assertEquals([code, stderr], [0, ""]);
    const errors = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(errors.length, 2);
    for (const { code, retryable, message } of errors) {
      assertEquals([code, retryable], ["misconfigured", false]);
      assertStringIncludes(message, `lacks "${member}`);
      assertStringIncludes(message, `remove what replaces "npm:amqplib@${AMQPLIB_VERSION}"`);
    }
    await eventually(() => assertEquals(broker.connectionCount, 0));
  });
}

Deno.test("patchAmqplibInside() names each member that is missing", () => {
  const whole = () => ({
    rest: new Uint8Array(),
    recvFrame: () => undefined,
    stream: new Writable(),
    channels: [],
    frameMax: 131_072,
    freeChannels: { clear: () => {} },
    releaseChannel: () => {},
    sendMethod: () => {},
    sendMessage: () => {},
  });
  patchAmqplibInside(whole());
  for (const name of Object.keys(whole()) as (keyof ReturnType<typeof whole>)[]) {
    const { [name]: _gone, ...left } = whole();
    const error = assertThrows(() => patchAmqplibInside(left), AmqplibInsideError, `"${name}`);
    assertEquals(error.message.includes(AMQPLIB_VERSION), true);
  }
  for (const connection of [undefined, null, "connection", { stream: null }]) {
    assertThrows(() => patchAmqplibInside(connection), AmqplibInsideError, "recvFrame");
  }
});

/** A socket that notes what it is given, call by call. */
function newSocket() {
  const calls: string[] = [];
  const socket = new Writable({
    write(chunk: Buffer, _encoding, done) {
      calls.push(chunk.toString());
      done();
    },
    writev(chunks, done) {
      calls.push(Buffer.concat(chunks.map(({ chunk }) => chunk)).toString());
      done();
    },
  });
  gatherWrites(socket);
  return { socket, calls };
}

Deno.test("gatherWrites() makes one write of those of one turn", async () => {
  const { socket, calls } = newSocket();
  for (const text of ["a", "b", "c"]) socket.write(text);
  await Promise.resolve();
  socket.write("d");
  await Promise.resolve();
  assertEquals(calls, ["abc", "d"]);
});

Deno.test("gatherWrites() loses nothing when the socket is ended in the same turn", async () => {
  const { socket, calls } = newSocket();
  socket.write("a");
  socket.end("b");
  await new Promise((resolve) => socket.on("finish", resolve));
  assertEquals(calls.join(""), "ab");
});

Deno.test("gatherWrites() calls back for each write", async () => {
  const { socket } = newSocket();
  const written = (text: string) => new Promise((resolve) => socket.write(text, resolve));
  const errors = await Promise.all([written("a"), written("b")]);
  assertEquals(errors.filter((error) => error instanceof Error), []);
});

Deno.test("No message overtakes another on its channel, whichever way it is written", async () => {
  await using broker = await TestBroker.start();
  const connection = await AmqpConnection.open(parseBrokerUrl(broker.url), {
    connectTimeoutMs: 5_000,
    heartbeatSeconds: 30,
    connectionName: "order",
    clientProperties: {},
  });
  try {
    const channel = await connection.openChannel();
    const queue = await channel.declareQueue("", { exclusive: true });
    // Small ones are written by us, large ones and those with rare headers by amqplib.
    const sizes = Array.from({ length: 200 }, (_, index) => index % 7 === 3 ? 300_000 : index % 90);
    const received: number[] = [];
    const confirmed: number[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    await channel.consume(queue, { noAck: false }, (delivery) => {
      received.push(Number(delivery?.properties.messageId));
      delivery?.ack();
      if (received.length === sizes.length) resolve();
    });
    sizes.forEach((size, index) => {
      const headers = index % 11 === 5 ? { rare: 0.5 } : { usual: true };
      const properties = { messageId: String(index), headers };
      const body = "x".repeat(size);
      channel.publish({ routingKey: queue, body, properties, mandatory: true }, (confirm) => {
        if (confirm === "acked") confirmed.push(index);
      });
    });
    await promise;
    const inOrder = sizes.map((_, index) => index);
    assertEquals(received, inOrder);
    await eventually(() => assertEquals(confirmed.toSorted((a, b) => a - b), inOrder));
    await eventually(async () => assertEquals(await channel.checkQueue(queue), 0));
  } finally {
    await connection.close();
  }
});

/** At most 255 bytes, as a short string has no more. */
const text = fc.option(fc.string({ unit: "grapheme", maxLength: 20 }), { nil: undefined });

const properties = fc.record({
  contentType: text,
  contentEncoding: text,
  deliveryMode: fc.constantFrom(undefined, 1, 2),
  priority: fc.constantFrom(undefined, 0, 9),
  correlationId: text,
  replyTo: text,
  expiration: text,
  messageId: text,
  type: text,
  userId: text,
  appId: text,
}, { noNullPrototype: true });

/** What remains when absent properties are left out. */
function present<Value>(values: Record<string, Value | undefined>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, Value] => entry[1] !== undefined),
  );
}

Deno.test("readPropertiesWithoutHeaders() reads what surrounds the headers", () => {
  const headers = new Map([["key", { type: "void", value: undefined } as const]]);
  fc.assert(fc.property(properties, fc.boolean(), (values, hasHeaders) => {
    const { bytes } = BasicProperties.of({ ...values, headers: hasHeaders ? headers : undefined });
    assertEquals(readPropertiesWithoutHeaders(bytes), present<string | number>(values));
  }));
});

Deno.test("readPropertiesWithoutHeaders() takes any bytes", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    readPropertiesWithoutHeaders(bytes);
  }));
});

Deno.test("readPropertiesWithoutHeaders() keeps what comes before the end", () => {
  const values = { contentType: "application/json", correlationId: "id", replyTo: "queue" };
  const { bytes } = BasicProperties.of(values);
  assertEquals(readPropertiesWithoutHeaders(bytes.subarray(0, -1)), {
    contentType: "application/json",
    correlationId: "id",
  });
});
