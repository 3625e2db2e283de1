/**
 * What a handler tells of its progress, on its way to the caller.
 *
 * @module
 */

import type { EncodedItem } from "../encoded_reply.ts";
import { encodeItem, type ValueSource } from "./encode.ts";

/** So many leave at once; of more only the latest of each interval, as nobody can hold all. */
const MAX_AT_ONCE = 64;
const INTERVAL_MS = 10;

/**
 * Lets progress pass, but no more than a caller can follow: a handler that tells of each step of a
 * loop would fill the memory of everybody on the way.
 */
export class ProgressGate {
  readonly #source: ValueSource;
  readonly #send: (progress: EncodedItem) => void;
  #nextSeq = 0;
  #sentAt = -Infinity;
  /** The latest that has not left. */
  #kept: EncodedItem | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOpen = true;

  /**
   * Makes a gate through which nothing has passed.
   *
   * @param source The procedure, and the codec of its caller.
   * @param send Sends progress to the caller.
   */
  constructor(source: ValueSource, send: (progress: EncodedItem) => void) {
    this.#source = source;
    this.#send = send;
  }

  /**
   * Takes what a handler tells; nothing after its end.
   *
   * @throws {RpcError} `unencodable`.
   */
  tell(value: unknown): void {
    if (!this.#isOpen) return;
    this.#kept = encodeItem(value, this.#nextSeq, this.#source);
    const leftMs = this.#sentAt + INTERVAL_MS - performance.now();
    if (this.#nextSeq < MAX_AT_ONCE || leftMs <= 0) this.#sendKept();
    else this.#timer ??= setTimeout(() => this.#sendKept(), leftMs);
  }

  /** Sends the latest, as the handler has ended. */
  end(): void {
    this.#isOpen = false;
    this.#sendKept();
  }

  #sendKept(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const progress = this.#kept;
    if (progress === undefined) return;
    this.#kept = undefined;
    this.#nextSeq++;
    this.#sentAt = performance.now();
    this.#send(progress);
  }
}
