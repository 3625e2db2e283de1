/** Reading of a connection: bytes to frames, and the reasons not to read on. @module */

import { type Frame, FrameReader, isProtocolHeader, PROTOCOL_HEADER } from "../wire/frame.ts";

/** Why nothing is read for a while. */
export type PauseReason = "blocked" | "backlog";

/** What becomes of the input. */
export interface FrameInputEvents {
  /** The client has begun with the header of our protocol. */
  onHeader(): void;
  /** The client has begun with something else. */
  onForeignHeader(header: Uint8Array): void;
  /** A frame has arrived; its payload is a view of the input. */
  onFrame(frame: Frame): void;
  /** The input makes no frames any more. */
  onFault(error: unknown): void;
  /** Reading is to be stopped or to go on. */
  setReading(isReading: boolean): void;
}

/** Hands frames on, one after the other, while there is no reason to wait. */
export class FrameInput {
  readonly #reader: FrameReader;
  readonly #events: FrameInputEvents;
  readonly #pauses = new Set<PauseReason>();
  #hasHeader = false;
  #isStopped = false;

  /** Creates an input that waits for the protocol header. */
  constructor(maxFrameSize: number, events: FrameInputEvents) {
    this.#reader = new FrameReader(maxFrameSize);
    this.#events = events;
  }

  /** Sets the largest frame size that was agreed on. */
  set maxFrameSize(bytes: number) {
    this.#reader.maxFrameSize = bytes;
  }

  /** Takes bytes. */
  push(bytes: Uint8Array): void {
    if (this.#isStopped) return;
    this.#reader.push(bytes);
    this.#read();
  }

  /** Tells whether nothing is read for this reason. */
  isPausedFor(reason: PauseReason): boolean {
    return this.#pauses.has(reason);
  }

  /** Reads nothing until {@linkcode resume} has been called for every reason. */
  pause(reason: PauseReason): void {
    this.#pauses.add(reason);
    this.#events.setReading(false);
  }

  /** Takes a reason away. */
  resume(reason: PauseReason): void {
    if (!this.#pauses.delete(reason) || this.#pauses.size > 0) return;
    this.#events.setReading(true);
    this.#read();
  }

  /** Ignores what else arrives. */
  stop(): void {
    this.#isStopped = true;
  }

  #read(): void {
    try {
      if (!this.#hasHeader && !this.#readHeader()) return;
      while (!this.#isStopped && this.#pauses.size === 0) {
        const frame = this.#reader.next();
        if (frame === undefined) return;
        this.#events.onFrame(frame);
      }
    } catch (error) {
      // After bytes that make no frame nothing that follows can be understood.
      this.stop();
      this.#events.onFault(error);
    }
  }

  #readHeader(): boolean {
    const header = this.#reader.take(PROTOCOL_HEADER.length);
    if (header === undefined) return false;
    this.#hasHeader = isProtocolHeader(header);
    if (this.#hasHeader) this.#events.onHeader();
    else {
      this.stop();
      this.#events.onForeignHeader(header);
    }
    return this.#hasHeader;
  }
}
