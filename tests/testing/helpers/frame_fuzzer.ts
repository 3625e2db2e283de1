/** Frames that a faulty or hostile peer might send. @module */

import { BasicProperties } from "../../../testing/wire/basic_properties.ts";
import { ByteWriter } from "../../../testing/wire/byte_writer.ts";
import { encodeArray, encodeTable } from "../../../testing/wire/field_table.ts";
import { type FieldTable, type FieldValue, longString } from "../../../testing/wire/field_value.ts";
import { FrameType, writeFrame } from "../../../testing/wire/frame.ts";
import { type MethodName, METHODS } from "../../../testing/wire/methods.ts";
import { Random } from "../../../tools/raw/random.ts";
import { headerFrame, methodFrame } from "./bare_broker.ts";

const NAMES = ["", "q", "x", "amq.topic", "amq.rabbitmq.reply-to", "a.#", "é\n", "z".repeat(255)];
const METHOD_NAMES: MethodName[] = Object.keys(METHODS).filter(isMethodName);
const TYPES = ["direct", "topic", "headers", "fanout", "odd"];
const ARGUMENTS = [
  "x-max-length",
  "x-message-ttl",
  "x-expires",
  "x-dead-letter-exchange",
  "x-queue-type",
  "x-max-priority",
  "x-overflow",
  "x-delivery-limit",
  "x-match",
  "alternate-exchange",
  "CC",
  "x-death",
];

/** Makes streams of valid, odd and broken frames, the same for the same seed. */
export class FrameFuzzer {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Returns chunks that hold `count` frames, cut anywhere. */
  *stream(count: number): Generator<Uint8Array> {
    const writer = new ByteWriter();
    for (let index = 0; index < count; index++) {
      writer.bytes(this.#frame());
      if (writer.length > 4096 || index === count - 1) yield* this.#cut(writer.take());
    }
  }

  /** Returns chunks of bytes that are hardly ever frames. */
  *garbage(count: number): Generator<Uint8Array> {
    for (let index = 0; index < count; index++) yield this.#bytes(200);
  }

  *#cut(bytes: Uint8Array): Generator<Uint8Array> {
    for (let start = 0; start < bytes.length;) {
      const end = start + 1 + this.#random.below(2000);
      yield bytes.slice(start, end);
      start = end;
    }
  }

  #frame(): Uint8Array {
    const random = this.#random;
    const dice = random.below(100);
    if (dice < 55) return this.#publish();
    if (dice < 96) return this.#method();
    const frame = dice < 98 ? this.#rawFrame() : this.#method();
    // A flipped bit ends most connections, so it comes late in the dice.
    if (frame.length > 0) frame[random.below(frame.length)] = random.below(256);
    return frame;
  }

  #channel(): number {
    return this.#random.oneIn(50) ? this.#random.below(70_000) & 0xffff : 1;
  }

  #publish(): Uint8Array {
    const random = this.#random;
    const writer = new ByteWriter();
    const body = this.#bytes(300);
    const channel = random.oneIn(100) ? 2 : 1;
    writer.bytes(methodFrame(channel, "basic.publish", {
      ticket: 0,
      exchange: random.oneIn(3) ? "amq.topic" : random.oneIn(20) ? random.pick(NAMES) : "",
      routingKey: random.pick(NAMES),
      mandatory: random.oneIn(2),
      immediate: random.oneIn(500),
    }));
    const properties = BasicProperties.of({
      headers: random.oneIn(2) ? this.#table() : undefined,
      expiration: random.oneIn(10) ? random.pick(["0", "5", "x"]) : undefined,
      priority: random.below(10),
      replyTo: random.oneIn(50) ? "amq.rabbitmq.reply-to" : undefined,
    });
    writer.bytes(headerFrame(channel, body.length + (random.oneIn(200) ? 1 : 0), properties));
    if (body.length > 0) writeFrame(writer, { type: FrameType.body, channel, payload: body });
    return writer.take();
  }

  #method(): Uint8Array {
    const random = this.#random;
    const name = random.pick(METHOD_NAMES);
    // Most methods of the connection end it, which would leave little to fuzz.
    const isEnd = name.startsWith("connection.") || name.endsWith("-ok") ||
      name === "channel.close";
    if (isEnd && !random.oneIn(20)) return this.#publish();
    const values: Record<string, unknown> = {};
    for (const [key, type] of Object.entries(METHODS[name][2])) {
      values[key] = this.#value(key, type);
    }
    // Made field by field after the layout of `name`.
    return methodFrame(this.#channel(), name, values as never);
  }

  #value(key: string, type: string): unknown {
    const random = this.#random;
    switch (type) {
      case "bit":
        return random.oneIn(2);
      case "table":
        return this.#table();
      case "longstr":
        return this.#bytes(40);
      case "shortstr":
        return key === "type" ? random.pick(TYPES) : random.pick(NAMES);
      default:
        return random.oneIn(10) ? random.below(65_536) : random.below(3);
    }
  }

  #table(): FieldTable {
    const random = this.#random;
    const table = new Map<string, FieldValue>();
    for (let index = random.below(4); index > 0; index--) {
      table.set(random.pick(ARGUMENTS), this.#fieldValue());
    }
    return table;
  }

  #fieldValue(): FieldValue {
    const random = this.#random;
    switch (random.below(8)) {
      case 0:
        return longString(random.pick([...NAMES, "quorum", "classic", "drop-head", "any"]));
      case 1:
        return { type: "bool", value: random.oneIn(2) };
      case 2:
        return { type: "double", value: random.below(1000) / 7 };
      case 3:
        return {
          type: "array",
          value: random.oneIn(5) ? this.#bytes(20) : encodeArray([longString("q")]),
        };
      case 4:
        return { type: "table", value: random.oneIn(5) ? this.#bytes(20) : encodeTable(new Map()) };
      case 5:
        return { type: "void", value: undefined };
      default:
        return { type: "signedint", value: BigInt(random.below(20) - 2) };
    }
  }

  #rawFrame(): Uint8Array {
    const writer = new ByteWriter();
    writeFrame(writer, {
      type: this.#random.below(10),
      channel: this.#channel(),
      payload: this.#bytes(60),
    });
    return writer.take();
  }

  #bytes(limit: number): Uint8Array {
    const random = this.#random;
    return Uint8Array.from({ length: random.below(limit) }, () => random.below(256));
  }
}

function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(METHODS, name);
}
