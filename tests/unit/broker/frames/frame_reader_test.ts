import { Buffer } from "node:buffer";
import { connect, type ConsumeMessage } from "../../../../deps/amqplib.ts";
import { fc } from "../../../../deps/fast_check.ts";
import { assert, assertEquals } from "../../../../deps/std_assert.ts";
import { FrameReader, type ReadFrame } from "../../../../internal/broker/frames/frame_reader.ts";
import { FrameWriter } from "../../../../internal/broker/frames/frame_writer.ts";
import { patchAmqplibInside } from "../../../../internal/broker/amqplib_inside.ts";
import { TestBroker } from "../../../../testing/mod.ts";

/** Few, so that the same text often comes again, and with it what is almost the same. */
const text = fc.constantFrom(
  "",
  "a",
  "b",
  "ab",
  "é",
  "\u00c3\u00a9",
  "a".repeat(64),
  "b".repeat(255),
);
const value = fc.oneof(
  text,
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.integer({ min: -130, max: 130 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constant(null),
  fc.array(fc.integer(), { maxLength: 3 }),
  fc.dictionary(text.filter((name) => name !== "" && name.length < 65), fc.boolean(), {
    maxKeys: 2,
    noNullPrototype: true,
  }),
);
const optional = (arbitrary: fc.Arbitrary<string>) => fc.option(arbitrary, { nil: undefined });
const messages = fc.record({
  body: fc.oneof(text, fc.constant("a body".repeat(20_000))),
  options: fc.record({
    contentType: optional(text),
    contentEncoding: optional(text),
    headers: fc.dictionary(
      fc.constantFrom("a", "b", "é", "__proto__", "toString", "rpc-deadline"),
      value,
      { maxKeys: 4, noNullPrototype: true },
    ),
    persistent: fc.boolean(),
    priority: fc.option(fc.nat(9), { nil: undefined }),
    correlationId: optional(text),
    replyTo: optional(text),
    messageId: optional(text),
    timestamp: fc.option(fc.nat(), { nil: undefined }),
    type: optional(text),
    appId: optional(text),
  }, { noNullPrototype: true }),
});

/** Takes so many messages out of a queue that is bound to all. */
async function takeAll(
  url: string,
  { isPatched, count }: { readonly isPatched: boolean; readonly count: number },
) {
  const model = await connect(url);
  if (isPatched) patchAmqplibInside(model.connection);
  const channel = await model.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.assertExchange("all", "fanout");
  await channel.bindQueue(queue, "all", "");
  const taken: ConsumeMessage[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await channel.consume(queue, (message) => {
    if (message !== null && taken.push(message) === count) resolve();
  }, { noAck: true });
  return { taken, isDone: promise, close: () => model.close() };
}

/** Without what is undefined, which amqplib's types do not take. */
function definedOf(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** What is there, by its names. */
function told({ fields, properties, content }: ConsumeMessage) {
  const { consumerTag: _, ...rest } = fields;
  const said = Object.entries(properties).filter(([, value]) => value !== undefined);
  return { rest, said, content: content.toString("latin1") };
}

Deno.test("FrameReader makes of messages what amqplib makes of them", async () => {
  await using broker = await TestBroker.start();
  const samples = fc.sample(messages, 500);
  const count = samples.length;
  const takers = await Promise.all(
    [false, true].map((isPatched) => takeAll(broker.url, { isPatched, count })),
  );
  const model = await connect(broker.url);
  try {
    const channel = await model.createChannel();
    for (const { body, options } of samples) {
      channel.publish("all", options.type ?? "", Buffer.from(body), definedOf(options));
    }
    await Promise.all(takers.map(({ isDone }) => isDone));
    const [byAmqplib = [], byReader = []] = takers.map(({ taken }) => taken.map(told));
    byReader.forEach((message, index) => assertEquals(message, byAmqplib[index]));
    assertEquals(byReader.length, count);
  } finally {
    await Promise.all([model, ...takers].map((each) => each.close()));
  }
});

/** The frames of messages and acknowledgements; what is delivered has other methods before it. */
function writtenFrames(): Buffer {
  const writes: Uint8Array[] = [];
  const writer = new FrameWriter({ frameMax: 0, write: (bytes) => writes.push(bytes) });
  for (let tag = 1; tag < 4; tag++) {
    writer.message(1, {
      routingKey: "queue",
      mandatory: true,
      properties: { type: "output", correlationId: `id ${tag}`, headers: { a: tag, b: "text" } },
      body: `body ${tag}`,
    });
    writer.ack(1, tag * 2 ** 33, tag === 2);
  }
  writer.flush();
  return Buffer.concat(writes);
}

/** Reads frames, and passes over those that are left to amqplib, as that does. */
function framesOf(pieces: readonly Buffer[]): (ReadFrame | "left")[] {
  const reader = new FrameReader(Buffer.alloc(0));
  const frames: (ReadFrame | "left")[] = [];
  let rest = Buffer.alloc(0);
  for (const piece of pieces) {
    rest = Buffer.concat([rest, piece]);
    reader.start(rest);
    for (;;) {
      const frame = reader.read();
      rest = Buffer.from(reader.rest);
      if (frame !== undefined) {
        frames.push(frame);
        continue;
      }
      if (rest.length < 7 || rest.length < 8 + rest.readUInt32BE(3)) break;
      frames.push("left");
      rest = rest.subarray(8 + rest.readUInt32BE(3));
      reader.start(rest);
    }
  }
  return frames;
}

Deno.test("FrameReader reads frames that come in pieces of any size", () => {
  const whole = writtenFrames();
  const expected = framesOf([whole]);
  assertEquals(expected.length, 12);
  assertEquals(expected.filter((frame) => frame === "left").length, 3, "basic.publish");
  fc.assert(fc.property(fc.integer({ min: 1, max: 80 }), (size) => {
    const pieces = Array.from(
      { length: Math.ceil(whole.length / size) },
      (_, index) => whole.subarray(index * size, (index + 1) * size),
    );
    assertEquals(framesOf(pieces), expected);
  }));
});

Deno.test("FrameReader leaves to amqplib whatever is damaged, and takes no byte of it", () => {
  const whole = writtenFrames();
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, octet) => {
      const damaged = Buffer.from(whole);
      damaged[at] = octet;
      const reader = new FrameReader(damaged);
      let read = 0;
      for (let frame = reader.read(); frame !== undefined; frame = reader.read()) read++;
      const { rest } = reader;
      assertEquals(rest, damaged.subarray(damaged.length - rest.length));
      assertEquals(read <= 12, true);
    }),
    { numRuns: 2_000 },
  );
});

/** The header of a message whose body has so many bytes, as it says, and no properties. */
function headerOf(size: bigint): Buffer {
  const frame = Buffer.alloc(7 + 14 + 1);
  frame.set([2, 0, 1, 0, 0, 0, 14, 0, 60]);
  frame.writeBigUInt64BE(size, 11);
  frame[frame.length - 1] = 0xce;
  return frame;
}

Deno.test("FrameReader leaves to amqplib what says that it has more bytes than there can be", () => {
  const read = (size: bigint) => new FrameReader(headerOf(size)).read();
  const [most, none] = [read(2n ** 53n - 1n), read(0n)];
  assert(most !== undefined && none !== undefined && "size" in most);
  assertEquals(most, { ...none, size: Number.MAX_SAFE_INTEGER });
  // amqplib takes them for less than none, and ends the channel with the first byte.
  for (const size of [2n ** 63n, 2n ** 64n - 1n]) assertEquals(read(size), undefined);
});
