/**
 * What a handler gives, on its way to the caller: a reply, and items before it.
 *
 * @module
 */

import type { Body } from "../codec.ts";
import type { MessageHeaders } from "../contract.ts";

/** The most credits that a stream has: items that are under way, or wait to be read. */
export const MAX_CREDITS = 1_000;

/** The end of a request. */
export interface EncodedReply {
  /** Whether the body is the output or an {@linkcode ErrorDescription}. */
  readonly type: "output" | "error";
  /** The encoded output or error. Bytes are nobody else's. */
  readonly body: Body;
  /** The content type of the body. */
  readonly contentType: string;
  /** Those that the handler has set, if any. */
  readonly headers?: MessageHeaders;
  /** What was thrown, if it was thrown here: for whoever keeps the server, and not for the caller. */
  readonly thrown?: unknown;
  /** The same from another thread or process, as text: the stack, and those of the causes. */
  readonly report?: string;
}

/** A value that a handler tells before its end: an item of a stream, or its progress. */
export interface EncodedItem {
  /** Counts the items of one request, or its progress, from 0. */
  readonly seq: number;
  /** The encoded value. Bytes are nobody else's. */
  readonly body: Body;
  /** The content type of the body. */
  readonly contentType: string;
}

/** Takes what a handler tells before its end. */
export interface ItemSink {
  /** How many items the handler may send at first; absent if no stream is wanted. */
  readonly credits?: number;
  /** Takes an item of the stream. */
  onItem?(item: EncodedItem): void;
  /** Takes what the handler tells of its progress. */
  onProgress?(progress: EncodedItem): void;
}
