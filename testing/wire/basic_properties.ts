/** The properties of a message, kept as their publisher encoded them. @module */

import { AmqpError } from "./amqp_error.ts";
import { ByteReader, decodeText } from "./byte_reader.ts";
import { ByteWriter } from "./byte_writer.ts";
import { checkTable, decodeTable, encodeTable } from "./field_table.ts";
import type { FieldTable } from "./field_value.ts";

type PropertyKind = "shortstr" | "table" | "octet" | "timestamp";

/** The properties in the order of their flags, from bit 15 down. */
const PROPERTIES = [
  ["contentType", "shortstr"],
  ["contentEncoding", "shortstr"],
  ["headers", "table"],
  ["deliveryMode", "octet"],
  ["priority", "octet"],
  ["correlationId", "shortstr"],
  ["replyTo", "shortstr"],
  ["expiration", "shortstr"],
  ["messageId", "shortstr"],
  ["timestamp", "timestamp"],
  ["type", "shortstr"],
  ["userId", "shortstr"],
  ["appId", "shortstr"],
  ["clusterId", "shortstr"],
] as const;

/** The name of a property that is a short string. */
export type TextProperty = Extract<(typeof PROPERTIES)[number], readonly [string, "shortstr"]>[0];

/** Properties to set, or to take away with `undefined`. */
export type PropertyChanges = {
  readonly headers?: FieldTable | undefined;
  readonly deliveryMode?: number | undefined;
  readonly priority?: number | undefined;
} & { readonly [Name in TextProperty]?: string | undefined };

const NO_SEGMENTS: readonly (Uint8Array | undefined)[] = [];
const INDEX = new Map<string, number>(PROPERTIES.map(([name], index) => [name, index]));
const EMPTY_TABLE: FieldTable = new Map();

/** Properties of a message: decoded on demand, passed on byte by byte otherwise. */
export class BasicProperties {
  /** The flags and properties as they travel in a content header frame. */
  readonly bytes: Uint8Array;
  readonly #segments: readonly (Uint8Array | undefined)[];
  #headers: FieldTable | undefined;

  private constructor(bytes: Uint8Array, segments: readonly (Uint8Array | undefined)[]) {
    this.bytes = bytes;
    this.#segments = segments;
  }

  /**
   * Reads flags and properties.
   *
   * @throws {AmqpError} If they are malformed.
   */
  static decode(bytes: Uint8Array, maxDepth?: number): BasicProperties {
    const reader = new ByteReader(bytes);
    const flags = reader.short();
    if ((flags & 0b11) !== 0) {
      throw new AmqpError("frame-error", "cannot decode: unknown properties");
    }
    if (flags === 0) return new BasicProperties(bytes, NO_SEGMENTS);
    const segments: (Uint8Array | undefined)[] = [];
    PROPERTIES.forEach(([, kind], index) => {
      const present = (flags & (0x8000 >> index)) !== 0;
      segments.push(present ? readSegment(reader, kind) : undefined);
    });
    const headers = segments[2];
    if (headers !== undefined) checkTable(headers, maxDepth);
    return new BasicProperties(bytes, segments);
  }

  /** Encodes properties from nothing. */
  static of(changes: PropertyChanges): BasicProperties {
    return new BasicProperties(new Uint8Array(2), NO_SEGMENTS).with(changes);
  }

  /** Returns the text of a property, or `undefined` if it is absent. */
  text(name: TextProperty): string | undefined {
    const segment = this.#segment(name);
    return segment === undefined ? undefined : decodeText(segment);
  }

  /** The priority, or `undefined`. */
  get priority(): number | undefined {
    return this.#segment("priority")?.[0];
  }

  /** The delivery mode, or `undefined`. */
  get deliveryMode(): number | undefined {
    return this.#segment("deliveryMode")?.[0];
  }

  /** Whether the publisher asked for a persistent message. */
  get isPersistent(): boolean {
    return this.deliveryMode === 2;
  }

  /** Whether there is a headers table, be it empty. */
  get hasHeaders(): boolean {
    return this.#segment("headers") !== undefined;
  }

  /** The top level of the headers table; empty if there is none. */
  get headers(): FieldTable {
    const segment = this.#segment("headers");
    return this.#headers ??= segment === undefined ? EMPTY_TABLE : decodeTable(segment);
  }

  /** Returns a copy with some properties changed and all others as they were. */
  with(changes: PropertyChanges): BasicProperties {
    const segments = PROPERTIES.map((_, index) => this.#segments[index]);
    for (const [name, value] of Object.entries(changes)) {
      const index = INDEX.get(name);
      if (index !== undefined) segments[index] = encodeSegment(value);
    }
    return new BasicProperties(encodeSegments(segments), segments);
  }

  #segment(name: string): Uint8Array | undefined {
    return this.#segments[INDEX.get(name) ?? -1];
  }
}

function readSegment(reader: ByteReader, kind: PropertyKind): Uint8Array {
  switch (kind) {
    case "shortstr":
      return reader.bytes(reader.octet());
    case "table":
      return reader.longString();
    case "octet":
      return reader.bytes(1);
    case "timestamp":
      return reader.bytes(8);
  }
}

function encodeSegment(value: string | number | FieldTable | undefined): Uint8Array | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number") return Uint8Array.of(value);
  if (typeof value === "string") return new TextEncoder().encode(value);
  return encodeTable(value);
}

function encodeSegments(segments: readonly (Uint8Array | undefined)[]): Uint8Array {
  const writer = new ByteWriter();
  let flags = 0;
  segments.forEach((segment, index) => {
    if (segment !== undefined) flags |= 0x8000 >> index;
  });
  writer.short(flags);
  PROPERTIES.forEach(([, kind], index) => {
    const segment = segments[index];
    if (segment === undefined) return;
    if (kind === "shortstr") writer.octet(segment.length);
    if (kind === "table") writer.long(segment.length);
    writer.bytes(segment);
  });
  return writer.take();
}
