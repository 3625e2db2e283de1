/** What messages become in a queue: their place, their level, their bytes and their time. @module */

import type { Clock } from "../clock.ts";
import { expirationOf, type Message, type QueuedMessage } from "./message.ts";
import type { QueueSettings } from "./queue_settings.ts";
import { quorumLevel } from "./quorum_messages.ts";
import type { VersionRules } from "./version_rules.ts";

/** Makes the entries of one queue, numbered in the order of their arrival. */
export class QueueEntries {
  readonly #settings: QueueSettings;
  readonly #rules: VersionRules;
  readonly #clock: Clock;
  #nextPosition = 0;

  /** Creates a numbering that starts at 0. */
  constructor(
    settings: QueueSettings,
    { rules, clock }: { readonly rules: VersionRules; readonly clock: Clock },
  ) {
    this.#settings = settings;
    this.#rules = rules;
    this.#clock = clock;
  }

  /** Returns the entry of a message that has just arrived. */
  entryOf(message: Message): QueuedMessage {
    const { properties, annotations } = message;
    const { messageTtlMs = Infinity } = this.#settings;
    const ttl = Math.min(messageTtlMs, expirationOf(properties) ?? Infinity);
    const failedCount = annotations?.deliveryCount ?? 0;
    return {
      message,
      position: this.#nextPosition++,
      priority: this.#priorityOf(properties.priority),
      bytes: this.bytesOf(message),
      expiresAt: ttl === Infinity ? undefined : this.#clock.now() + ttl,
      redelivered: this.#isQuorum && failedCount > 0,
      acquiredCount: 0,
      failedCount,
    };
  }

  /** Returns an entry as if it had just arrived, without a priority. */
  behindAll(entry: QueuedMessage): QueuedMessage {
    const priority = quorumLevel(this.#rules.quorumPriorities, undefined);
    return { ...entry, position: this.#nextPosition++, priority };
  }

  /** Returns the bytes that a message counts towards limits of the queue. */
  bytesOf({ body, annotations }: Message): number {
    const countsProperties = this.#isQuorum && this.#rules.countsPropertyBytes;
    return body.length + (countsProperties ? annotations?.published.bytes.length ?? 0 : 0);
  }

  get #isQuorum(): boolean {
    return this.#settings.type === "quorum";
  }

  #priorityOf(priority: number | undefined): number {
    return this.#isQuorum
      ? quorumLevel(this.#rules.quorumPriorities, priority)
      : Math.min(priority ?? 0, this.#settings.maxPriority);
  }
}
