/** Sending: methods and contents to frames, many frames to one write. @module */

import type { Message } from "../model/message.ts";
import { ByteWriter } from "../wire/byte_writer.ts";
import { FRAME_OVERHEAD, FrameType, writeFrame, writeFrameWith } from "../wire/frame.ts";
import { encodeMethod } from "../wire/method_codec.ts";
import type { MethodArguments, MethodName } from "../wire/methods.ts";

const BASIC_CLASS_ID = 60;
const NO_BYTES = new Uint8Array(0);

/** Collects frames and hands them on in one piece once the current task is done. */
export class FrameSender {
  /** The largest frame that the peer accepts, in bytes. */
  maxFrameSize: number;
  readonly #writer = new ByteWriter(4096);
  readonly #write: (bytes: Uint8Array) => void;
  #isFlushPending = false;

  /** Creates a sender that hands frames on to `write`. */
  constructor(maxFrameSize: number, write: (bytes: Uint8Array) => void) {
    this.maxFrameSize = maxFrameSize;
    this.#write = write;
  }

  /** The number of bytes that were not handed on yet. */
  get pending(): number {
    return this.#writer.length;
  }

  /** Sends a method without content. */
  method<Name extends MethodName>(
    channel: number,
    name: Name,
    values: MethodArguments<Name>,
  ): void {
    const head = { type: FrameType.method, channel };
    writeFrameWith(this.#writer, head, () => encodeMethod(this.#writer, name, values));
    this.#schedule();
  }

  /** Sends the content that belongs to the method sent last. */
  content(channel: number, { properties, body }: Pick<Message, "properties" | "body">): void {
    writeFrameWith(this.#writer, { type: FrameType.header, channel }, () => {
      this.#writer.short(BASIC_CLASS_ID);
      this.#writer.short(0);
      this.#writer.longLongNumber(body.length);
      this.#writer.bytes(properties.bytes);
    });
    const step = this.maxFrameSize - FRAME_OVERHEAD;
    for (let start = 0; start < body.length; start += step) {
      const payload = body.subarray(start, start + step);
      writeFrame(this.#writer, { type: FrameType.body, channel, payload });
    }
    this.#schedule();
  }

  /** Sends a heartbeat. */
  heartbeat(): void {
    writeFrame(this.#writer, { type: FrameType.heartbeat, channel: 0, payload: NO_BYTES });
    this.#schedule();
  }

  /** Sends bytes that are not a frame. */
  raw(bytes: Uint8Array): void {
    this.#writer.bytes(bytes);
    this.#schedule();
  }

  /** Hands on what was collected. */
  flush(): void {
    this.#isFlushPending = false;
    if (this.#writer.length > 0) this.#write(this.#writer.take());
  }

  /** Forgets what was collected. */
  discard(): void {
    this.#writer.take();
  }

  #schedule(): void {
    if (this.#isFlushPending) return;
    this.#isFlushPending = true;
    queueMicrotask(() => this.flush());
  }
}
