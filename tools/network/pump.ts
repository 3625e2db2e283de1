/** One direction of a TCP connection, as fast or as slow as told. @module */

import { pause } from "../time/waiting.ts";

/** How bytes flow. */
export interface Shape {
  /** Delay of every byte, in milliseconds. */
  readonly latencyMs: number;
  /** Most bytes of a packet; with 0 they go as they come. */
  readonly sliceBytes: number;
  /** Most bytes per second; with 0 there is no limit. */
  readonly bytesPerSecond: number;
}

/** Nothing in the way. */
export const SMOOTH: Shape = { latencyMs: 0, sliceBytes: 0, bytesPerSecond: 0 };

/** Options of {@linkcode Pump}. */
export interface PumpOptions {
  /** How bytes flow at this moment. */
  readonly shape: () => Shape;
  /** Whether bytes pass. */
  readonly lets?: (chunk: Uint8Array) => boolean;
  /** Sees what passes, in order, before it is written. */
  readonly onChunk?: (chunk: Uint8Array) => void;
}

const BUFFER_BYTES = 65_536;
/** Most bytes that wait for their time; the sender then feels the pressure. */
const MAX_BACKLOG_BYTES = 4_194_304;
const BANDWIDTH_BYTES = 4_096;

/** Reads from one socket and writes to another until either ends. */
export class Pump {
  readonly #from: Deno.TcpConn;
  readonly #to: Deno.TcpConn;
  readonly #options: PumpOptions;
  readonly #over = Promise.withResolvers<void>();
  #writing: Promise<void> = Promise.resolve();
  #backlogBytes = 0;
  #isStalled = false;

  constructor(from: Deno.TcpConn, to: Deno.TcpConn, options: PumpOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
  }

  /** Resolves when either side has ended; never rejects. */
  async run(): Promise<void> {
    await Promise.race([this.#over.promise, this.#read().catch(() => {})]);
  }

  /** Lets no byte through any more. The sender's go unread, so that it feels the pressure. */
  stall(): void {
    this.#isStalled = true;
  }

  /** Ends it, stalled or not. */
  stop(): void {
    this.#isStalled = true;
    this.#over.resolve();
  }

  /** Writes bytes of our own after what has been read. */
  insert(bytes: Uint8Array): void {
    this.#enqueue(bytes, this.#options.shape());
  }

  async #read(): Promise<void> {
    for (;;) {
      const buffer = new Uint8Array(BUFFER_BYTES);
      const count = await this.#from.read(buffer);
      // What was under way when the network stalled is lost with it.
      if (this.#isStalled) return await this.#over.promise;
      if (count === null) return await this.#writing;
      const chunk = buffer.subarray(0, count);
      if (this.#options.lets?.(chunk) === false) continue;
      this.#enqueue(chunk, this.#options.shape());
      this.#options.onChunk?.(chunk);
      if (this.#backlogBytes > MAX_BACKLOG_BYTES) await this.#writing;
    }
  }

  /** Later bytes may be read while earlier ones wait: latency is not bandwidth. */
  #enqueue(bytes: Uint8Array, shape: Shape): void {
    const dueAt = performance.now() + shape.latencyMs;
    this.#backlogBytes += bytes.length;
    this.#writing = this.#writing.then(async () => {
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) await pause(waitMs);
      if (!this.#isStalled) await this.#write(bytes, shape);
      this.#backlogBytes -= bytes.length;
    });
    this.#writing.catch(() => this.#over.resolve());
  }

  async #write(bytes: Uint8Array, { sliceBytes, bytesPerSecond }: Shape): Promise<void> {
    const size = bytesPerSecond > 0 ? BANDWIDTH_BYTES : sliceBytes > 0 ? sliceBytes : bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      let slice = bytes.subarray(at, at + size);
      while (slice.length > 0) slice = slice.subarray(await this.#to.write(slice));
      if (bytesPerSecond > 0) await pause(size / bytesPerSecond * 1_000);
    }
  }
}
