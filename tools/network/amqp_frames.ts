/** Finds the places between the frames of a connection, where another frame may be put. @module */

const PROTOCOL_HEADER_BYTES = 8;
const FRAME_HEADER_BYTES = 7;
const FRAME_END = 0xce;
const METHOD_FRAME = 1;
/** basic.ack, of class 60 and method 80. */
const BASIC_ACK = [0, 60, 0, 80];
/** No channel has ever had so many deliveries. */
const NO_DELIVERY_TAG = [0, 0, 0, 1, 0, 0, 0, 0];

/** An acknowledgement, on channel 1, of a delivery that never was. */
export const BOGUS_ACK: Uint8Array = Uint8Array.of(
  METHOD_FRAME,
  ...[0, 1],
  ...[0, 0, 0, BASIC_ACK.length + NO_DELIVERY_TAG.length + 1],
  ...BASIC_ACK,
  ...NO_DELIVERY_TAG,
  0,
  FRAME_END,
);

/** Follows what a client sends. */
export class AmqpFrames {
  #header: number[] = [];
  #left = PROTOCOL_HEADER_BYTES;
  #waiting: ((bytes: Uint8Array) => void) | undefined;

  /** Whether all that was read so far ends with the end of a frame. */
  get isComplete(): boolean {
    return this.#left === 0 && this.#header.length === 0;
  }

  /** Hands a bogus acknowledgement to the callback as soon as it may be sent. */
  onceComplete(callback: (bytes: Uint8Array) => void): void {
    if (this.isComplete) callback(BOGUS_ACK);
    else this.#waiting = callback;
  }

  /** Reads the next bytes of the connection. */
  read(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const skipped = Math.min(this.#left, chunk.length - at);
      this.#left -= skipped;
      at += skipped;
      const byte = chunk[at];
      if (this.#left > 0 || byte === undefined) continue;
      this.#header.push(byte);
      at++;
      if (this.#header.length === FRAME_HEADER_BYTES) this.#begin();
    }
    if (!this.isComplete) return;
    this.#waiting?.(BOGUS_ACK);
    this.#waiting = undefined;
  }

  #begin(): void {
    const [a = 0, b = 0, c = 0, d = 0] = this.#header.slice(3);
    this.#left = ((a * 256 + b) * 256 + c) * 256 + d + 1;
    this.#header = [];
  }
}
