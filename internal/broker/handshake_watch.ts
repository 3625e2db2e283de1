/**
 * Hears what the broker says while a connection is opened. amqplib tells that it was refused, and
 * drops the reason if the broker gives it in place of `connection.open-ok`: a virtual host that does
 * not exist, that the user may not use, or that has all the connections it may have.
 *
 * @module
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";

/** A socket as `node:stream` has it: amqplib takes all that it reads from here. */
interface ReadableSocket {
  read(size?: number): unknown;
}

/** Where `node:net` shows each socket that it opens. */
const SOCKETS = "net.client.socket";

/** Bytes to remember: one `connection.close` with the longest text, in frames that are small. */
const MAX_BYTES = 4_096;

/** Source: AMQP 0-9-1, sections 2.3.5 and 1.4.2.6: a method frame of channel 0, class 10, method 50. */
const FRAME_PREFIX_BYTES = 7;
const METHOD_FRAME = 1;
const CONNECTION_CLOSE = 10 << 16 | 50;

/** Listens to the socket of one attempt to connect. */
export class HandshakeWatch {
  #bytes = new Uint8Array();
  /** Gives the socket back as it was: what comes after the handshake is no business of this. */
  #end: () => void = () => {};

  /**
   * Makes an attempt, and listens to the socket that it opens before it returns.
   *
   * @param connect Starts it.
   * @throws What it rejects with, or why the broker has closed the connection.
   */
  static async watch<Result>(connect: () => Promise<Result>): Promise<Result> {
    const watch = new HandshakeWatch();
    try {
      return await watch.#start(connect);
    } catch (cause) {
      const reason = readCloseReason(watch.#bytes);
      if (reason === undefined) throw cause;
      throw new Error(`Cannot connect as the broker ends it: ${reason}`, { cause });
    } finally {
      watch.#end();
    }
  }

  #start<Result>(connect: () => Result): Result {
    // Whatever opens a socket until connect() returns is amqplib.
    const onSocket = (message: unknown) => this.#listen(message);
    subscribe(SOCKETS, onSocket);
    try {
      return connect();
    } finally {
      unsubscribe(SOCKETS, onSocket);
    }
  }

  #listen(message: unknown): void {
    const socket = socketOf(message);
    if (socket === undefined) return;
    const { read } = socket;
    socket.read = (size) => {
      const chunk = read.call(socket, size);
      if (chunk instanceof Uint8Array && this.#bytes.length < MAX_BYTES) this.#keep(chunk);
      return chunk;
    };
    this.#end = () => {
      socket.read = read;
    };
  }

  #keep(chunk: Uint8Array): void {
    const bytes = new Uint8Array(Math.min(MAX_BYTES, this.#bytes.length + chunk.length));
    bytes.set(this.#bytes);
    bytes.set(chunk.subarray(0, bytes.length - this.#bytes.length), this.#bytes.length);
    this.#bytes = bytes;
  }
}

function socketOf(message: unknown): ReadableSocket | undefined {
  if (typeof message !== "object" || message === null || !("socket" in message)) return undefined;
  const { socket } = message;
  const isSocket = typeof socket === "object" && socket !== null && "read" in socket &&
    typeof socket.read === "function";
  return isSocket ? socket as ReadableSocket : undefined;
}

/** What the broker said if it has closed the connection, such as `NOT_ALLOWED - …`. */
function readCloseReason(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The type, the channel and the size; the method, its code and the length of its text.
  for (let start = 0; start + FRAME_PREFIX_BYTES + 7 <= bytes.length;) {
    const size = view.getUint32(start + 3);
    const method = start + FRAME_PREFIX_BYTES;
    const isClose = view.getUint8(start) === METHOD_FRAME && view.getUint16(start + 1) === 0 &&
      view.getUint32(method) === CONNECTION_CLOSE;
    if (isClose) {
      const text = method + 7;
      return new TextDecoder().decode(bytes.subarray(text, text + view.getUint8(method + 6)));
    }
    start = method + size + 1;
  }
  return undefined;
}
