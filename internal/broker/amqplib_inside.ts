/**
 * The members of amqplib's connection that it does not offer and that this package changes: how it
 * reads and writes frames, the socket that it writes to, and when it uses the number of a channel
 * again. amqplib is pinned to one version for their sake; whoever raises it runs
 * `amqplib_inside_test.ts`, which says which of them have gone.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Body } from "../../codec.ts";
import type { AmqpProperties, AmqpPublish } from "./amqp_publish.ts";
import { FrameReader } from "./frames/frame_reader.ts";
import { FrameWriter } from "./frames/frame_writer.ts";

/** The version that this was written for. */
export const AMQPLIB_VERSION = "2.3.1";

/** The private members of amqplib's connection that are used here. */
interface Inside {
  /** Bytes that have come and are not decoded yet. */
  rest: Buffer;
  /** Reads a frame out of them; amqplib calls it by this name, also from within. */
  recvFrame(): unknown;
  readonly stream: Socket;
  /** The largest frame that may be sent, in bytes. */
  readonly frameMax: number;
  /** Whether heartbeats are needed is told by it. */
  sentSinceLastCheck?: boolean;
  /** Those that are open, by their numbers. */
  readonly channels: ({ readonly buffer: ChannelBuffer } | null)[];
  /** Which numbers are taken. */
  readonly freeChannels: { clear(channel: number): void };
  /** Gives a number back. */
  releaseChannel(channel: number): void;
  /** Sends a method of a channel. Replaced by amqplib once nothing can be sent. */
  sendMethod(...args: SendMethodArgs): unknown;
  /** Sends a message of a channel; replaced likewise. */
  sendMessage(...args: SendMessageArgs): unknown;
}

type SendMethodArgs = [channel: number, method: number, fields: MethodFields];

type SendMessageArgs = [
  channel: number,
  method: number,
  message: AmqpPublish,
  propertiesClass: number,
  properties: AmqpProperties,
  body: Body,
];

/** Of a method: those of `basic.ack` are used. */
interface MethodFields {
  readonly deliveryTag?: number;
  readonly multiple?: boolean;
}

/** The private members of amqplib's channel that are used here. */
interface InsideChannel {
  sendMessage(message: AmqpPublish, properties: AmqpProperties, body: Body): unknown;
  pushConfirmCallback(onConfirm: (error: unknown) => void): void;
}

/** What a channel has to send: the part of `node:stream`'s Duplex that counts here. */
interface ChannelBuffer {
  readonly readableLength: number;
  readonly writableLength: number;
  end(): void;
  once(event: "end", listener: () => void): void;
}

/** The part of `node:stream`'s Writable that counts here. */
interface Socket {
  readonly writable: boolean;
  write(...args: unknown[]): boolean;
  cork(): void;
  uncork(): void;
}

/** A content header as amqplib decodes it. */
interface HeaderFrame {
  /** The class: 60 is basic. */
  readonly id: number;
  readonly channel: number;
  /** Of the body. */
  readonly size: number;
  readonly fields: object;
}

/** What amqplib calls `basic.ack`: its class and method. */
const BASIC_ACK = 60 << 16 | 80;
/** Source: AMQP 0-9-1, section 4.2.3. */
const HEADER_FRAME = 2;
const FRAME_PREFIX_BYTES = 7;
/** Class, weight and body size come before the properties. */
const HEADER_PREFIX_BYTES = 12;

/** amqplib is another than the one that is patched here. */
export class AmqplibInsideError extends Error {
  override readonly name = "AmqplibInsideError";
  /** What is wrong, to be told after "as". */
  readonly reason: string;

  constructor(missing: readonly string[]) {
    const reason = `this package patches amqplib ${AMQPLIB_VERSION} and has found another, whose ` +
      `connection lacks "${missing.join('", "')}"`;
    super(`Cannot use amqplib as ${reason}`);
    this.reason = reason;
  }
}

/** The broker, or what is between, has sent what is no frame: amqplib tells of octets and offsets. */
class UnreadableFrameError extends Error {
  constructor(reason: string, cause?: unknown) {
    super(`Cannot go on with the broker as it has sent what cannot be read: ${reason}`, { cause });
  }
}

/**
 * Changes how amqplib's connection reads and writes.
 *
 * @param connection amqplib's connection.
 * @throws {AmqplibInsideError} If it has not the members that are changed.
 */
export function patchAmqplibInside(connection: unknown): void {
  if (!isInside(connection)) throw new AmqplibInsideError(missingMembers(connection));
  containMalformedHeaders(connection);
  readFrames(connection);
  keepNumbersOfBusyChannels(connection);
  writeFrames(connection, gatherWrites(connection.stream));
}

/**
 * Publishes a message.
 *
 * @param channel amqplib's, of a connection that is patched.
 * @param message The message.
 * @param onConfirm Called once, with an error unless the broker has it.
 */
export function publishOn(
  channel: unknown,
  message: AmqpPublish,
  onConfirm: (error: unknown) => void,
): void {
  // What has been patched has these members.
  const inside = channel as InsideChannel;
  inside.sendMessage(message, message.properties, message.body);
  inside.pushConfirmCallback(onConfirm);
}

/** The largest frame that may be sent on a channel, in bytes. */
export function frameMaxOf(channel: unknown): number {
  const { frameMax } = membersOf(membersOf(channel).connection);
  return typeof frameMax === "number" ? frameMax : Infinity;
}

function isInside(connection: unknown): connection is Inside {
  return missingMembers(connection).length === 0;
}

function missingMembers(connection: unknown): string[] {
  const members = membersOf(connection);
  const { recvFrame, rest, stream, channels, freeChannels, releaseChannel } = members;
  const { write, cork, uncork } = membersOf(stream);
  const functions = Object.entries({
    recvFrame,
    "stream.write": write,
    "stream.cork": cork,
    "stream.uncork": uncork,
    releaseChannel,
    sendMethod: members.sendMethod,
    sendMessage: members.sendMessage,
    "freeChannels.clear": membersOf(freeChannels).clear,
  });
  const missing = functions.flatMap(([name, member]) => typeof member === "function" ? [] : [name]);
  if (!(rest instanceof Uint8Array)) missing.push("rest");
  if (!Array.isArray(channels)) missing.push("channels");
  if (typeof members.frameMax !== "number") missing.push("frameMax");
  return missing;
}

/** Whatever a value has, to be looked at: an object may be asked for any name. */
function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

/**
 * Keeps messages whose headers amqplib cannot decode from ending the connection, again and again, as
 * the broker would deliver them anew. They come without headers, and with `malformed`, the reason.
 */
function containMalformedHeaders(connection: Inside): void {
  const receive = connection.recvFrame;
  // amqplib calls itself through this after it has read more bytes, so `rest` begins with a frame.
  connection.recvFrame = function (this: Inside): unknown {
    const { rest } = this;
    try {
      return receive.call(this);
    } catch (error) {
      const frame = readHeaderFrame(rest, error);
      // amqplib has passed over it already if it was complete; else nothing that follows can be read.
      if (frame === undefined || this.rest === rest) throw error;
      return frame;
    }
  };
}

/** Reads frames by {@linkcode FrameReader}, and by amqplib what that leaves to it. */
function readFrames(connection: Inside): void {
  const receive = connection.recvFrame;
  const reader = new FrameReader(connection.rest);
  connection.recvFrame = function (this: Inside): unknown {
    // amqplib has put more bytes there, or taken some.
    if (this.rest !== reader.bytes) reader.start(this.rest);
    const frame = reader.read();
    if (frame !== undefined) return frame;
    this.rest = reader.rest;
    try {
      checkFrameSize(this);
      return receive.call(this);
    } catch (error) {
      // It calls itself by this.
      if (error instanceof UnreadableFrameError || !(error instanceof Error)) throw error;
      throw new UnreadableFrameError(error.message, error);
    }
  };
}

/**
 * Checks that a frame is no larger than was agreed, which amqplib does for those of 64 MiB and more: what
 * says so has been damaged, and all that comes would be waited for as a part of it, heartbeats, too.
 * Only the properties of a message may take more, as brokers do not measure what others have sent.
 */
function checkFrameSize({ rest, frameMax }: Inside): void {
  if (rest.length < FRAME_PREFIX_BYTES || rest[0] === HEADER_FRAME) return;
  const size = rest.readUInt32BE(3);
  if (size <= frameMax) return;
  const reason = `a frame of ${size} bytes where ${frameMax} were agreed`;
  throw new UnreadableFrameError(reason);
}

/**
 * Keeps the number of a closed channel from being used again while it has frames to send: amqplib
 * sends those of all channels in turn, so that they would run into the frames of the next channel, and
 * the broker would end the connection.
 */
function keepNumbersOfBusyChannels(connection: Inside): void {
  connection.releaseChannel = function (this: Inside, number: number): void {
    const channel = this.channels[number];
    if (channel === null || channel === undefined) return;
    this.channels[number] = null;
    channel.buffer.once("end", () => this.freeChannels.clear(number));
    channel.buffer.end();
  };
}

/**
 * Writes messages and acknowledgements by {@linkcode FrameWriter}, but where amqplib has something to
 * send on that channel already, as nothing must overtake it.
 *
 * @param write Sends bytes at once.
 */
function writeFrames(connection: Inside, write: (bytes: Uint8Array) => void): void {
  const { sendMessage, sendMethod } = connection;
  const writer = new FrameWriter({
    frameMax: connection.frameMax,
    write(bytes) {
      connection.sentSinceLastCheck = true;
      // What is left when the connection ends has nobody to read it.
      if (connection.stream.writable) write(bytes);
    },
  });
  const isFree = (channel: number) => {
    const buffer = connection.channels[channel]?.buffer;
    return buffer?.readableLength === 0 && buffer.writableLength === 0;
  };
  connection.sendMessage = function (this: Inside, ...args): unknown {
    const [channel, method, message, ...rest] = args;
    if (isFree(channel) && writer.message(channel, message)) return true;
    writer.flush();
    const [propertiesClass, properties, body] = rest;
    const buffer = bufferOf(body);
    return sendMessage.call(this, channel, method, message, propertiesClass, properties, buffer);
  };
  connection.sendMethod = function (this: Inside, ...args): unknown {
    const [channel, method, { deliveryTag, multiple = false }] = args;
    if (method === BASIC_ACK && deliveryTag !== undefined && isFree(channel)) {
      return writer.ack(channel, deliveryTag, multiple);
    }
    writer.flush();
    return sendMethod.apply(this, args);
  };
}

/**
 * Gathers what is written in one turn of the event loop: amqplib makes a call of the operating system
 * for each message, which takes longer than all else that a message needs.
 *
 * @returns Writes without gathering, after what is gathered.
 */
export function gatherWrites(socket: Socket): (bytes: Uint8Array) => void {
  const write = socket.write;
  let isGathering = false;
  socket.write = function (this: Socket, ...args): boolean {
    if (!isGathering) {
      isGathering = true;
      this.cork();
      queueMicrotask(() => {
        isGathering = false;
        this.uncork();
      });
    }
    return write.apply(this, args);
  };
  return (bytes) => {
    write.call(socket, bytes);
  };
}

function readHeaderFrame(bytes: Uint8Array, cause: unknown): HeaderFrame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = FRAME_PREFIX_BYTES + HEADER_PREFIX_BYTES;
  if (bytes.length < start || view.getUint8(0) !== HEADER_FRAME) return undefined;
  const end = FRAME_PREFIX_BYTES + view.getUint32(3);
  if (bytes.length <= end) return undefined;
  const malformed = cause instanceof Error ? cause.message : String(cause);
  return {
    id: view.getUint16(FRAME_PREFIX_BYTES),
    channel: view.getUint16(1),
    size: Number(view.getBigUint64(FRAME_PREFIX_BYTES + 4)),
    fields: { ...readPropertiesWithoutHeaders(bytes.subarray(start, end)), malformed },
  };
}

/** Properties by the names that amqplib has for them. */
type Properties = Record<string, string | number>;

/**
 * The properties in the order of their flags, from the highest bit on, each with the kind of its
 * value. Source: AMQP 0-9-1, class basic, and section 4.2.6.1.
 */
const FIELDS: readonly (readonly [name: string, kind: "text" | "table" | "octet" | "long"])[] = [
  ["contentType", "text"],
  ["contentEncoding", "text"],
  ["headers", "table"],
  ["deliveryMode", "octet"],
  ["priority", "octet"],
  ["correlationId", "text"],
  ["replyTo", "text"],
  ["expiration", "text"],
  ["messageId", "text"],
  ["timestamp", "long"],
  ["type", "text"],
  ["userId", "text"],
  ["appId", "text"],
];

/**
 * Reads the properties but for the headers, which are skipped as a whole.
 *
 * @param bytes The flags and what follows them.
 * @returns What could be read: none of it is certain if the bytes end too early.
 */
export function readPropertiesWithoutHeaders(bytes: Uint8Array): Properties {
  const properties: Properties = {};
  try {
    readInto(properties, bytes);
  } catch (error) {
    // The message is cut off: what came before is all there is.
    if (!(error instanceof RangeError)) throw error;
  }
  return properties;
}

function readInto(properties: Properties, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(0);
  let offset = 2;
  for (const [index, [name, kind]] of FIELDS.entries()) {
    if ((flags & (0x8000 >> index)) === 0) continue;
    switch (kind) {
      case "text":
        properties[name] = readText(bytes, offset + 1, view.getUint8(offset));
        offset += 1 + view.getUint8(offset);
        break;
      case "table":
        offset += 4 + view.getUint32(offset);
        break;
      case "octet":
        properties[name] = view.getUint8(offset);
        offset += 1;
        break;
      case "long":
        offset += 8;
        break;
    }
  }
}

function readText(bytes: Uint8Array, start: number, length: number): string {
  const end = start + length;
  if (end > bytes.length) throw new RangeError("Cannot read a property as the message is cut off");
  return new TextDecoder().decode(bytes.subarray(start, end));
}

/** As amqplib takes it; bytes are not copied. */
function bufferOf(body: Body): Buffer {
  return typeof body === "string"
    ? Buffer.from(body, "utf8")
    : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
