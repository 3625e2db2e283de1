/** Messages that are broken at random, the same for the same seed. @module */

import { ByteWriter, encodeText } from "../../testing/wire/byte_writer.ts";
import { type Bait, FIXED_TAGS, type Poison, rawField } from "./poison.ts";
import type { Random } from "./random.ts";
import { encodeProperties, type RawProperties } from "./raw_publisher.ts";

/** Names that mean something to a broker, a server or JavaScript. */
const HEADER_NAMES = [
  "rpc-deadline",
  "rpc-reply-to",
  "rpc-attempt",
  "rpc-idempotent",
  "rpc-callback",
  "rpc-credits",
  "rpc-progress",
  "rpc-seq",
  "rpc-credit-to",
  "x-death",
  "x-delivery-count",
  "x-match",
  "traceparent",
  "__proto__",
  "constructor",
  "",
];

/** Tags that RabbitMQ reads, each with the bytes of its value; -1 is a length and so many bytes. */
const TAGS: readonly (readonly [tag: string, bytes: number])[] = [
  ...FIXED_TAGS,
  ["S", -1],
  ["x", -1],
  ["A", -1],
  ["F", -1],
];

/** Tags of AMQP that RabbitMQ does not read, and of nobody. */
const STRANGE_TAGS = ["U", "Z", "\0", "?"];

/**
 * The flag of `expiration`, counted from the highest: a message that expires in its queue is nobody's,
 * and RabbitMQ 3.10 does not outlive each of them, see docs/chaos.md.
 */
const EXPIRATION_FLAG = 0x0100;

/** A queue that is not for replies. */
export const FOREIGN_QUEUE = "orders";

const MAX_DEPTH = 4;

/** Makes poison of all kinds: nearly right, cut off, lying about lengths, and plain noise. */
export class PoisonFuzzer {
  readonly #random: Random;
  #made = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Makes the next message. */
  next(bait: Bait): Poison {
    const random = this.#random;
    const name = `fuzz ${this.#made++}`;
    const body = this.#body();
    const properties = random.oneIn(25)
      ? this.#bytes(60)
      : encodeProperties(this.#properties(bait, random.oneIn(2) ? this.#table(0) : undefined));
    if (random.oneIn(8)) this.#mutate(properties);
    const cut = random.oneIn(10)
      ? properties.slice(0, random.below(properties.length))
      : properties;
    return { name, properties: withoutExpiration(cut), body };
  }

  #properties(bait: Bait, headers: Uint8Array | undefined): RawProperties {
    const random = this.#random;
    const text = () => random.oneIn(3) ? this.#bytes(256) : random.pick(["", "a", "{}", "\0\n"]);
    const maybe = <Value>(name: string, value: () => Value) =>
      random.oneIn(5) ? { [name]: value() } : {};
    return {
      ...(random.oneIn(8) ? {} : bait),
      ...(headers === undefined ? {} : { headers }),
      ...maybe("contentType", () => random.oneIn(2) ? "application/json" : text()),
      ...maybe("contentEncoding", text),
      ...maybe("deliveryMode", () => random.oneIn(20) ? random.below(256) : 2),
      ...maybe("priority", () => random.below(256)),
      ...maybe("replyTo", () => random.oneIn(2) ? FOREIGN_QUEUE : text()),
      ...maybe("correlationId", text),
      ...maybe("messageId", text),
      ...maybe("timestamp", () => BigInt(random.below(2 ** 32)) << BigInt(random.below(33))),
      ...maybe("type", () => random.pick(["output", "error", "item", "end", "cancel", "toString"])),
      ...maybe("appId", text),
    };
  }

  /** Fields of whatever type, some of which are not what their length says. */
  #table(depth: number): Uint8Array {
    const writer = new ByteWriter();
    for (let count = this.#random.below(4); count > 0; count--) {
      const random = this.#random;
      const name = random.oneIn(10) ? this.#bytes(20) : random.pick(HEADER_NAMES);
      const [tag, bytes] = this.#value(depth);
      writer.bytes(rawField(name, tag, bytes));
    }
    return writer.take();
  }

  #array(depth: number): Uint8Array {
    const writer = new ByteWriter();
    for (let count = this.#random.below(4); count > 0; count--) {
      const [tag, bytes] = this.#value(depth);
      writer.bytes(encodeText(tag));
      writer.bytes(bytes);
    }
    return writer.take();
  }

  #value(depth: number): [tag: string, bytes: Uint8Array] {
    if (this.#random.oneIn(80)) return [this.#random.pick(STRANGE_TAGS), this.#bytes(5)];
    const [tag, bytes] = this.#random.pick(TAGS);
    if (bytes >= 0) return [tag, this.#noise(bytes)];
    const isLeaf = depth === MAX_DEPTH || tag === "S" || tag === "x";
    const content = isLeaf
      ? this.#bytes(30)
      : tag === "F"
      ? this.#table(depth + 1)
      : this.#array(depth + 1);
    return [tag, this.#long(content)];
  }

  /** A length and so many bytes, or a few more or fewer. */
  #long(content: Uint8Array): Uint8Array {
    const random = this.#random;
    const lie = random.oneIn(60) ? random.below(9) - 4 : 0;
    const bytes = new Uint8Array(4 + content.length);
    new DataView(bytes.buffer).setUint32(0, Math.max(0, content.length + lie));
    bytes.set(content, 4);
    return bytes;
  }

  #body(): Uint8Array {
    const random = this.#random;
    return random.oneIn(2)
      ? this.#bytes(200)
      : encodeText(random.pick(["1", "", "[", '{"a":', "nul", '"\\ud800"', "1e999", "[[[]]]"]));
  }

  #mutate(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    for (let count = 1 + this.#random.below(3); count > 0; count--) {
      bytes[this.#random.below(bytes.length)] = this.#random.below(256);
    }
  }

  #bytes(limit: number): Uint8Array {
    return this.#noise(this.#random.below(limit));
  }

  #noise(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#random.below(256));
  }
}

function withoutExpiration(properties: Uint8Array): Uint8Array {
  if (properties.length < 2) return properties;
  const view = new DataView(properties.buffer, properties.byteOffset);
  view.setUint16(0, view.getUint16(0) & ~EXPIRATION_FLAG);
  return properties;
}
