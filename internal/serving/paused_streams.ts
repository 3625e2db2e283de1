/** Ends streams that wait for readers who do not come. @module */

import { RpcError } from "../../errors.ts";
import { DURABLE_REPLY_PREFIX } from "../protocol/reply_address.ts";
import { MAX_PAUSE_MS, PAUSE_IN_NEED_MS } from "../streaming/stream_credits.ts";
import type { ActiveRequest } from "./active_requests.ts";

/** How often streams are looked at. */
const WATCH_MS = 1_000;
/** How long a stream runs before its durable reply queue is asked for its consumers. */
const FIRST_LOOK_MS = 2_000;
/** The longest time from one look to the next. */
const MAX_LOOK_MS = 30_000;
/** How long a client may be without a connection, in milliseconds, before its stream ends. */
const RECONNECT_MS = 5_000;

/** When the reply queue of a stream is looked at. */
interface Look {
  at: number;
  readonly startedAt: number;
  /** Whether nobody took from it at the last look. */
  wasUnattended: boolean;
}

/** What {@linkcode PausedStreams} needs of its server. */
export interface PausedStreamsOptions {
  /** The streams in hand. */
  readonly streams: () => readonly ActiveRequest[];
  /** Whether no further request can come before one in hand is settled. */
  readonly isFull: () => boolean;
  /** Tells whether a queue is there and nobody takes from it; `undefined` without a connection. */
  readonly isUnattended: (queue: string) => Promise<boolean> | undefined;
}

/**
 * Looks at streams as long as there are any. One whose reader takes nothing keeps its place only
 * until another request needs it; one whose client is gone does not keep it at all.
 */
export class PausedStreams {
  readonly #options: PausedStreamsOptions;
  readonly #looks = new WeakMap<ActiveRequest, Look>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PausedStreamsOptions) {
    this.#options = options;
  }

  /** Takes care that the watch is on: a stream has come. */
  watch(): void {
    this.#timer ??= setTimeout(() => this.#look(), WATCH_MS);
  }

  /** Ends the watch. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    const streams = this.#options.streams();
    for (const stream of streams) {
      if (pauseOf(stream) >= MAX_PAUSE_MS) stream.stop(paused(MAX_PAUSE_MS));
      else void this.#askForReader(stream);
    }
    if (this.#options.isFull()) this.#makeRoom(streams);
    // Left off while there is nothing to watch; the next stream turns it on.
    if (streams.length > 0) this.watch();
  }

  #makeRoom(streams: readonly ActiveRequest[]): void {
    for (const stream of streams) {
      if (pauseOf(stream) < PAUSE_IN_NEED_MS) continue;
      stream.stop(paused(PAUSE_IN_NEED_MS));
    }
  }

  /** A durable queue outlives its client: it is asked for its consumer. Never rejects. */
  async #askForReader(stream: ActiveRequest): Promise<void> {
    const { replyTo } = stream.request;
    if (!replyTo?.startsWith(DURABLE_REPLY_PREFIX)) return;
    const now = performance.now();
    const look = this.#looks.getOrInsertComputed(stream, () => ({
      at: now + FIRST_LOOK_MS - WATCH_MS,
      startedAt: now - WATCH_MS,
      wasUnattended: false,
    }));
    if (now < look.at) return;
    look.at = now + Math.min(now - look.startedAt, MAX_LOOK_MS);
    try {
      const isUnattended = await this.#options.isUnattended(replyTo) ?? false;
      if (isUnattended && look.wasUnattended) stream.stop(unattended(replyTo));
      // A client that is being connected anew comes back to its streams.
      if (isUnattended) look.at = now + RECONNECT_MS;
      look.wasUnattended = isUnattended;
    } catch {
      // The connection is being replaced, or the user may not know; the next look will tell.
    }
  }
}

function pauseOf({ credits }: ActiveRequest): number {
  return credits?.pauseMs ?? 0;
}

function paused(limitMs: number): RpcError {
  return new RpcError(
    "timeout",
    `Cannot go on with the stream as it keeps a place and its reader takes nothing: for ${limitMs} ms`,
    { retryable: true },
  );
}

function unattended(queue: string): RpcError {
  return new RpcError(
    "timeout",
    `Cannot go on with the stream as no client takes from its reply queue: "${queue}"`,
    { retryable: true },
  );
}
