/** A publisher that sends whatever bytes it is told, and outlives what the broker thinks of them. @module */

import { ByteWriter, encodeText } from "../../testing/wire/byte_writer.ts";
import { encodeTable } from "../../testing/wire/field_table.ts";
import type { FieldTable } from "../../testing/wire/field_value.ts";
import { FrameType, writeFrame, writeFrameWith } from "../../testing/wire/frame.ts";
import { encodeMethod } from "../../testing/wire/method_codec.ts";
import { RawClient } from "./raw_client.ts";

/** A message, byte by byte. */
export interface RawMessage {
  /** The flags and the properties: the content header after the size of the body. */
  readonly properties: Uint8Array;
  readonly body: Uint8Array;
}

/** What is published and what the broker answered; `refused` cost the publisher its connection. */
export type RawOutcome = "confirmed" | "refused";

/** The most of a body that goes into one frame. */
const MAX_FRAME_BODY = 100_000;

/** Publishes to queues, one message at a time. */
export class RawPublisher implements Disposable {
  /** How often the broker has refused, by its code; 0 stands for an end without a word. */
  readonly refusals: Map<number, number> = new Map<number, number>();
  readonly #url: string;
  #client: RawClient;

  private constructor(url: string, client: RawClient) {
    this.#url = url;
    this.#client = client;
  }

  static async open(url: string): Promise<RawPublisher> {
    return new RawPublisher(url, await openChannel(url));
  }

  /** Publishes a message; if the broker ends the connection over it, there is a new one afterwards. */
  async publish(queue: string, message: RawMessage): Promise<RawOutcome> {
    this.#client.write(publishFrames(queue, message));
    try {
      await this.#client.next(1, "basic.ack");
      return "confirmed";
    } catch {
      const code = closeCode(this.#client);
      this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
      this.#client[Symbol.dispose]();
      this.#client = await openChannel(this.#url);
      return "refused";
    }
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

function closeCode({ received }: RawClient): number {
  for (const method of received) {
    if (method.name === "connection.close" || method.name === "channel.close") {
      return method.arguments.replyCode;
    }
  }
  return 0;
}

async function openChannel(url: string): Promise<RawClient> {
  const virtualHost = decodeURIComponent(new URL(url).pathname.slice(1)) || "/";
  const client = await RawClient.open(url, { virtualHost });
  await client.openChannel(1);
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  return client;
}

function publishFrames(queue: string, { properties, body }: RawMessage): Uint8Array {
  const writer = new ByteWriter();
  writeFrameWith(writer, { type: FrameType.method, channel: 1 }, () => {
    encodeMethod(writer, "basic.publish", {
      ticket: 0,
      exchange: "",
      routingKey: queue,
      mandatory: false,
      immediate: false,
    });
  });
  writeFrameWith(writer, { type: FrameType.header, channel: 1 }, () => {
    writer.short(60);
    writer.short(0);
    writer.longLongNumber(body.length);
    writer.bytes(properties);
  });
  for (let start = 0; start < body.length; start += MAX_FRAME_BODY) {
    const payload = body.subarray(start, start + MAX_FRAME_BODY);
    writeFrame(writer, { type: FrameType.body, channel: 1, payload });
  }
  return writer.take();
}

/** Properties whose texts may be any bytes and whose headers may be any table. */
export interface RawProperties {
  readonly contentType?: RawText;
  readonly contentEncoding?: RawText;
  readonly headers?: FieldTable | Uint8Array;
  readonly deliveryMode?: number;
  readonly priority?: number;
  readonly correlationId?: RawText;
  readonly replyTo?: RawText;
  readonly expiration?: RawText;
  readonly messageId?: RawText;
  readonly timestamp?: bigint;
  readonly type?: RawText;
  readonly userId?: RawText;
  readonly appId?: RawText;
  readonly clusterId?: RawText;
}

type RawText = string | Uint8Array;

/** The properties in the order of their flags, from the highest bit down. */
const NAMES = [
  "contentType",
  "contentEncoding",
  "headers",
  "deliveryMode",
  "priority",
  "correlationId",
  "replyTo",
  "expiration",
  "messageId",
  "timestamp",
  "type",
  "userId",
  "appId",
  "clusterId",
] as const satisfies readonly (keyof RawProperties)[];

/** Writes properties as they travel. */
export function encodeProperties(properties: RawProperties): Uint8Array {
  const writer = new ByteWriter();
  let flags = 0;
  NAMES.forEach((name, index) => {
    if (properties[name] !== undefined) flags |= 0x8000 >> index;
  });
  writer.short(flags);
  for (const name of NAMES) {
    const value = properties[name];
    if (value === undefined) continue;
    if (typeof value === "number") writer.octet(value);
    else if (typeof value === "bigint") writer.longLong(value);
    else if (name === "headers") writer.longString(toTable(properties.headers ?? new Map()));
    else writeText(writer, properties[name]);
  }
  return writer.take();
}

function toTable(headers: FieldTable | Uint8Array): Uint8Array {
  return headers instanceof Uint8Array ? headers : encodeTable(headers);
}

function writeText(writer: ByteWriter, value: unknown): void {
  const bytes = value instanceof Uint8Array ? value : encodeText(String(value));
  writer.octet(bytes.length);
  writer.bytes(bytes);
}
