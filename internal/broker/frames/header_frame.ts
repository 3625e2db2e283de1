/**
 * The frame that the properties of a message go in. The broker ends the connection over one that is too
 * large.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** More than amqplib writes of the properties of a message: 64 KiB of headers, and short texts. */
const AMQPLIB_HEADER_BYTES = 72 * 1_024;

/** What else is in the frame: its own bytes, class, weight, size and flags. */
const FIXED_BYTES = 22;

/** A limit that amqplib does not see to by itself. */
export class HeaderFrame {
  readonly #maxBytes: number;

  private constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Makes the limit; none if amqplib's own is lower. */
  static of(maxBytes: number): HeaderFrame | undefined {
    return maxBytes < AMQPLIB_HEADER_BYTES ? new HeaderFrame(maxBytes) : undefined;
  }

  /**
   * Checks the properties of a message.
   *
   * @throws {RangeError} If they may not fit.
   */
  check({ headers, ...properties }: { readonly headers?: object | undefined }): void {
    const bytes = FIXED_BYTES + fieldBytes(headers) + fieldBytes(properties);
    if (bytes <= this.#maxBytes) return;
    throw new RangeError(
      `Cannot send the properties of the message as they take ${bytes} bytes: ` +
        `a frame of this broker has ${this.#maxBytes}`,
    );
  }
}

/** Most bytes that a value takes in a table. */
function fieldBytes(value: unknown): number {
  if (typeof value === "string") return 5 + Buffer.byteLength(value, "utf8");
  if (typeof value !== "object" || value === null) return 9;
  if (ArrayBuffer.isView(value)) return 5 + value.byteLength;
  if (Array.isArray(value)) return value.reduce((sum, each) => sum + fieldBytes(each), 5);
  return Object.entries(value).filter(([, each]) => each !== undefined).reduce(
    (sum, [name, each]) => sum + 1 + Buffer.byteLength(name, "utf8") + fieldBytes(each),
    5,
  );
}
