/** Gathers messages of one turn into batches. @module */

import { newId } from "../text.ts";
import type { AmqpPublish } from "../broker/amqp.ts";
import type { Publisher, PublishOutcome } from "../broker/publisher.ts";
import { afterTurn } from "../time.ts";
import { encodeMessageBatch } from "./message_batch.ts";

/** How large a batch gets, and how long it waits. */
export interface BatchLimits {
  /** Most messages. */
  readonly maxCalls: number;
  /** Most UTF-16 units and bytes of their bodies. */
  readonly maxBytes: number;
  /** How long the first message waits for others, in milliseconds; 0 until the end of its turn. */
  readonly maxDelayMs: number;
}

/** A message that waits for its batch. */
export interface BatchEntry {
  /** How long its body is, as far as it is known without counting. */
  readonly size: number;
  /** Builds the message at the last moment, or declines by returning `undefined`. */
  prepare(): AmqpPublish | undefined;
  /** Told what became of it. */
  settle(outcome: PublishOutcome): void;
  /** Told instead why it does not fit into AMQP. */
  fail(error: unknown): void;
}

/** Told of each batch that leaves. */
export type OnBatch<Entry> = (id: string, entries: readonly Entry[]) => void;

interface Group<Entry> {
  readonly entries: Entry[];
  size: number;
  /** Sends it, if it is to wait for longer than its turn. */
  delay: ReturnType<typeof setTimeout> | undefined;
}

/** What has come back goes another way than what goes for the first time. */
function isSameWay(message: AmqpPublish, other: AmqpPublish = message): boolean {
  return message.exchange === other.exchange && message.routingKey === other.routingKey;
}

/** Publishes what comes in the same turn, and may share a message, as one. */
export class MessageBatcher<Entry extends BatchEntry = BatchEntry> {
  readonly #publisher: Pick<Publisher, "submit">;
  readonly #limits: BatchLimits;
  readonly #onBatch: OnBatch<Entry>;
  readonly #groups = new Map<string, Group<Entry>>();

  /**
   * Makes a batcher that holds nothing.
   *
   * @param publisher Where the batches go.
   * @param limits How large they get.
   * @param onBatch Told of each one of more than one message, just before it is published.
   */
  constructor(
    publisher: Pick<Publisher, "submit">,
    limits: BatchLimits,
    onBatch: OnBatch<Entry> = () => {},
  ) {
    this.#publisher = publisher;
    this.#limits = limits;
    this.#onBatch = onBatch;
  }

  /**
   * Takes a message.
   *
   * @param key What those that may share a message have in common.
   * @param entry The message.
   */
  add(key: string, entry: Entry): void {
    const { maxCalls, maxBytes, maxDelayMs } = this.#limits;
    let group = this.#groups.get(key);
    if (group !== undefined && group.size + entry.size > maxBytes) {
      this.#flush(key, group);
      group = undefined;
    }
    if (group === undefined) {
      const opened: Group<Entry> = group = { entries: [], size: 0, delay: undefined };
      this.#groups.set(key, opened);
      const flush = () => this.#flush(key, opened);
      if (maxDelayMs > 0) opened.delay = setTimeout(flush, maxDelayMs);
      else afterTurn(flush);
    }
    group.entries.push(entry);
    group.size += entry.size;
    if (group.entries.length >= maxCalls) this.#flush(key, group);
  }

  /** Sends all that waits. */
  flush(): void {
    for (const [key, group] of this.#groups) this.#flush(key, group);
  }

  /** Sends nothing of what waits. */
  close(): void {
    for (const { delay } of this.#groups.values()) clearTimeout(delay);
    this.#groups.clear();
  }

  /** Does nothing for a group that has left already. */
  #flush(key: string, group: Group<Entry>): void {
    if (this.#groups.get(key) !== group) return;
    this.#groups.delete(key);
    clearTimeout(group.delay);
    this.#publish(group.entries);
  }

  #publish(entries: readonly Entry[]): void {
    const [first, ...others] = entries;
    if (first === undefined) return;
    if (others.length === 0) return this.#publishAlone(first);
    let sent: readonly Entry[] = entries;
    this.#publisher.submit(() => {
      const taken: Entry[] = [];
      const messages: AmqpPublish[] = [];
      for (const entry of entries) {
        const message = entry.prepare();
        if (message === undefined) continue;
        if (!isSameWay(message, messages[0])) {
          this.#publishAlone(entry);
          continue;
        }
        messages.push(message);
        taken.push(entry);
      }
      sent = taken;
      if (messages.length === 0) return undefined;
      if (messages.length === 1) return messages[0];
      const id = newId();
      this.#onBatch(id, sent);
      return encodeMessageBatch(id, messages);
    }, (outcome) => {
      // One of them may be what the broker does not bear, or too large with the others only.
      const isShared = outcome !== "too-large" && outcome !== "suspect";
      if (isShared) { for (const entry of sent) entry.settle(outcome); }
      else this.#publishEach(sent);
    }, () => this.#publishEach(sent));
  }

  #publishEach(entries: readonly Entry[]): void {
    for (const entry of entries) this.#publishAlone(entry);
  }

  #publishAlone(entry: Entry): void {
    this.#publisher.submit(
      () => entry.prepare(),
      (outcome) => entry.settle(outcome),
      (error) => entry.fail(error),
    );
  }
}
