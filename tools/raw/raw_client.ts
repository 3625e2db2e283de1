/** An AMQP client that sends what it is told and hides nothing of what it receives. @module */

import { BasicProperties, type PropertyChanges } from "../../testing/wire/basic_properties.ts";
import { ByteReader } from "../../testing/wire/byte_reader.ts";
import { ByteWriter, encodeText } from "../../testing/wire/byte_writer.ts";
import { encodeTable } from "../../testing/wire/field_table.ts";
import type { FieldTable, FieldValue } from "../../testing/wire/field_value.ts";
import {
  FrameReader,
  FrameType,
  PROTOCOL_HEADER,
  writeFrame,
  writeFrameWith,
} from "../../testing/wire/frame.ts";
import { decodeMethod, encodeMethod } from "../../testing/wire/method_codec.ts";
import type { Method, MethodArguments, MethodName } from "../../testing/wire/methods.ts";

/** Something that the broker sent. */
export type Received = Method & {
  readonly channel: number;
  readonly properties: BasicProperties | undefined;
  readonly body: Uint8Array | undefined;
};

/** Arguments of a method; what is left out is empty, zero or false. */
export type Sparse<Name extends MethodName> = Partial<MethodArguments<Name>>;

/** Where and how to log in. */
export interface RawClientOptions {
  readonly virtualHost?: string;
  readonly capabilities?: readonly string[];
  readonly heartbeat?: number;
  readonly credentials?: { readonly name: string; readonly password: string };
  readonly frameMax?: number;
}

const HAS_CONTENT = new Set<MethodName>(["basic.deliver", "basic.get-ok", "basic.return"]);
const ALL_CAPABILITIES = [
  "publisher_confirms",
  "basic.nack",
  "consumer_cancel_notify",
  "connection.blocked",
  "authentication_failure_close",
];

/** A connection on the wire level. */
export class RawClient implements Disposable {
  readonly #socket: Deno.TcpConn;
  readonly #reader = new FrameReader(0x7fff_ffff);
  readonly #waiters = new Set<() => void>();
  readonly #partial = new Map<
    number,
    { method: Method; properties?: BasicProperties; size: number; body: Uint8Array[] }
  >();
  #received: Received[] = [];
  #isClosed = false;
  #failure: string | undefined;

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
    socket.setNoDelay(true);
    this.#read();
  }

  /** Connects without a word. */
  static async dial(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    return new RawClient(await Deno.connect({ hostname, port: Number(port) }));
  }

  /** Connects and opens a virtual host. */
  static async open(url: string, options: RawClientOptions = {}): Promise<RawClient> {
    const client = await RawClient.dial(url);
    await client.handshake(options, url);
    return client;
  }

  /** Goes through the opening of a connection. */
  async handshake(options: RawClientOptions, url: string): Promise<void> {
    const { virtualHost = "/", heartbeat = 0, frameMax = 131_072 } = options;
    const { capabilities = ALL_CAPABILITIES } = options;
    const { username, password } = new URL(url);
    const { name, password: secret } = options.credentials ??
      { name: decodeURIComponent(username), password: decodeURIComponent(password) };
    this.write(PROTOCOL_HEADER);
    await this.next(0, "connection.start");
    const flags = new Map(
      capabilities.map((key): [string, FieldValue] => [key, { type: "bool", value: true }]),
    );
    this.send(0, "connection.start-ok", {
      clientProperties: new Map([["capabilities", { type: "table", value: encodeTable(flags) }]]),
      mechanism: "PLAIN",
      response: encodeText(`\0${name}\0${secret}`),
      locale: "en_US",
    });
    const { channelMax } = (await this.next(0, "connection.tune")).arguments;
    this.send(0, "connection.tune-ok", { channelMax, frameMax, heartbeat });
    this.send(0, "connection.open", { virtualHost });
    await this.next(0, "connection.open-ok");
  }

  /** Whether the stream has ended. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Everything received and not taken yet. */
  get received(): readonly Received[] {
    return this.#received;
  }

  /** Sends a method, with content if given. */
  send<Name extends MethodName>(
    channel: number,
    name: Name,
    values: Sparse<Name> = {},
    content?: { readonly properties?: PropertyChanges; readonly body?: Uint8Array },
  ): void {
    const writer = new ByteWriter();
    writeFrameWith(writer, { type: FrameType.method, channel }, () => {
      encodeMethod(writer, name, withDefaults(values));
    });
    if (name === "basic.publish") {
      const body = content?.body ?? new Uint8Array(0);
      writeFrameWith(writer, { type: FrameType.header, channel }, () => {
        writer.short(60);
        writer.short(0);
        writer.longLongNumber(body.length);
        writer.bytes(BasicProperties.of(content?.properties ?? {}).bytes);
      });
      for (let start = 0; start < body.length; start += 100_000) {
        const payload = body.subarray(start, start + 100_000);
        writeFrame(writer, { type: FrameType.body, channel, payload });
      }
    }
    this.write(writer.take());
  }

  /** Sends a method and returns the answer. */
  call<Name extends MethodName, Answer extends MethodName>(
    channel: number,
    [name, answer]: readonly [Name, Answer],
    values: Sparse<Name> = {},
  ): Promise<Received & { name: Answer; arguments: MethodArguments<Answer> }> {
    this.send(channel, name, values);
    return this.next(channel, answer);
  }

  /** Opens a channel. */
  async openChannel(channel: number): Promise<void> {
    await this.call(channel, ["channel.open", "channel.open-ok"]);
  }

  /** Sends raw bytes. */
  write(bytes: Uint8Array): void {
    this.#writing = this.#writing.then(async () => {
      for (let offset = 0; offset < bytes.length;) {
        offset += await this.#socket.write(bytes.subarray(offset));
      }
    }).catch(() => {});
  }

  /** Takes out the next method of a name on a channel; fails if the channel is closed instead. */
  async next<Name extends MethodName>(
    channel: number,
    name: Name,
  ): Promise<Received & { name: Name; arguments: MethodArguments<Name> }> {
    for (;;) {
      const index = this.#received.findIndex((item) =>
        item.channel === channel && item.name === name
      );
      const [found] = index < 0 ? [] : this.#received.splice(index, 1);
      // The name was compared, which the compiler does not carry over to the arguments.
      if (found !== undefined) {
        return found as Received & { name: Name; arguments: MethodArguments<Name> };
      }
      const close = this.#received.find((item) =>
        item.name === "connection.close" ||
        (item.channel === channel && item.name === "channel.close")
      );
      if (close?.name === "connection.close" || close?.name === "channel.close") {
        throw new Error(`Cannot get ${name} as it was refused: ${close.arguments.replyText}`);
      }
      await this.change(`Cannot get ${name} as the connection has ended`);
    }
  }

  /** Takes out everything that was received. */
  takeAll(): Received[] {
    return this.#received.splice(0);
  }

  /** Waits until something arrives; fails if the connection has ended. */
  async change(message: string): Promise<void> {
    if (this.#isClosed) throw new Error(`${message}: ${this.#failure ?? "end of stream"}`);
    await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  /** Waits until the broker has ended the stream. */
  async ended(): Promise<void> {
    while (!this.#isClosed) await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  /** Ends the stream. */
  [Symbol.dispose](): void {
    if (!this.#isClosed) this.#socket.close();
    this.#isClosed = true;
  }

  #writing: Promise<void> = Promise.resolve();

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const count = await this.#socket.read(buffer);
        if (count === null) break;
        this.#reader.push(buffer.slice(0, count));
        for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) {
          this.#takeFrame(frame.type, frame.channel, frame.payload);
        }
        this.#wake();
      }
    } catch (error) {
      this.#failure = String(error);
    }
    if (!this.#isClosed) this.#socket.close();
    this.#isClosed = true;
    this.#wake();
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const resolve of waiters) resolve();
  }

  #takeFrame(type: number, channel: number, payload: Uint8Array): void {
    if (type === FrameType.method) {
      const method = decodeMethod(payload);
      if (HAS_CONTENT.has(method.name)) {
        this.#partial.set(channel, { method, size: -1, body: [] });
      } else {
        this.#received.push({ ...method, channel, properties: undefined, body: undefined });
      }
      return;
    }
    const partial = this.#partial.get(channel);
    if (partial === undefined) return;
    if (type === FrameType.header) {
      const reader = new ByteReader(payload);
      reader.long();
      partial.size = reader.longLongNumber();
      partial.properties = BasicProperties.decode(reader.bytes(reader.remaining).slice());
    } else partial.body.push(payload.slice());
    const body = joined(partial.body);
    if (body.length < partial.size || partial.properties === undefined) return;
    this.#partial.delete(channel);
    this.#received.push({ ...partial.method, channel, properties: partial.properties, body });
  }
}

/** Completes arguments: the codec writes what the layout of the method names. */
function withDefaults<Name extends MethodName>(values: Sparse<Name>): MethodArguments<Name> {
  const empty: FieldTable = new Map();
  const defaults: Record<string, unknown> = {
    arguments: empty,
    clientProperties: empty,
    nowait: false,
  };
  // A proxy stands in for arguments that the test did not name.
  return new Proxy({ ...defaults, ...values }, {
    get: (target, key) => Reflect.get(target, key) ?? DEFAULTS[String(key)] ?? "",
  }) as MethodArguments<Name>;
}

const DEFAULTS: Record<string, number | boolean> = {
  ticket: 0,
  prefetchSize: 0,
  prefetchCount: 0,
  deliveryTag: 0,
  replyCode: 0,
  classId: 0,
  methodId: 0,
  passive: false,
  durable: false,
  exclusive: false,
  autoDelete: false,
  internal: false,
  ifUnused: false,
  ifEmpty: false,
  noAck: false,
  noLocal: false,
  multiple: false,
  requeue: false,
  mandatory: false,
  immediate: false,
  global: false,
  active: false,
  reserved2: false,
};

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
