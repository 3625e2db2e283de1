/** A queue: its messages, its consumers, its limits. @module */

import type { Clock, ClockTimer } from "../clock.ts";
import type { FieldTable } from "../wire/field_value.ts";
import {
  type Consumer,
  type ConsumerChoice,
  ConsumerRotation,
  SingleActiveConsumer,
} from "./consumer.ts";
import { type DeadEntry, withDeliveryCount } from "./dead_letter.ts";
import type { Message, QueuedMessage } from "./message.ts";
import { QueueEntries } from "./queue_entries.ts";
import type { QueueSettings } from "./queue_settings.ts";
import { QuorumMessages } from "./quorum_messages.ts";
import { ClassicMessages, type ReadyMessages } from "./ready_messages.ts";
import type { SettleOutcome } from "./settle_outcome.ts";
import type { VersionRules } from "./version_rules.ts";

/** Why a queue gave a message up; the texts are those of `x-death`. */
export type DeathReason = "rejected" | "expired" | "maxlen" | "delivery_limit";

/** A delivery to be settled; without a consumer it came from `basic.get`. */
export interface Settlement {
  /** The message in the queue. */
  readonly entry: QueuedMessage;
  /** The consumer that it was delivered to. */
  readonly consumer: Consumer | undefined;
}

/** What a queue needs from its virtual host. */
export interface QueueHost {
  /** Source of time. */
  readonly clock: Clock;
  /** What the version does. */
  readonly rules: VersionRules;
  /** Takes the messages that the queue gave up. */
  deadLetter(queue: Queue, messages: readonly Message[], reason: DeathReason): void;
  /** Deletes the queue, because it is unused. */
  deleteQueue(queue: Queue): void;
  /** Counts the bytes of stored bodies. */
  countBytes(change: number): void;
}

/** What identifies a queue and does not change. */
export interface QueueDeclaration {
  /** The name, unique in its virtual host. */
  readonly name: string;
  /** Whether it survives a restart of the broker. */
  readonly durable: boolean;
  /** Whether it is deleted with its last consumer. */
  readonly autoDelete: boolean;
  /** The connection that alone may use it, or `undefined`. */
  readonly owner: object | undefined;
  /** The arguments as declared. */
  readonly arguments: FieldTable;
  /** The meaning of the arguments. */
  readonly settings: QueueSettings;
}

/** A queue of a virtual host. */
export class Queue {
  /** What was declared. */
  readonly declaration: QueueDeclaration;
  readonly #host: QueueHost;
  readonly #entries: QueueEntries;
  readonly #ready: ReadyMessages;
  readonly #consumers: ConsumerChoice;
  readonly #unacked = new Set<QueuedMessage>();
  #isDelivering = false;
  #isDeleted = false;
  #expiryTimer: ClockTimer | undefined;
  #unusedTimer: ClockTimer | undefined;

  /** Creates an empty queue. */
  constructor(declaration: QueueDeclaration, host: QueueHost) {
    this.declaration = declaration;
    this.#host = host;
    this.#entries = new QueueEntries(declaration.settings, host);
    const { maxPriority, singleActiveConsumer } = declaration.settings;
    const { quorumPriorities, replacesSingleActive } = host.rules;
    this.#ready = this.#isQuorum
      ? new QuorumMessages(quorumPriorities)
      : new ClassicMessages(maxPriority);
    this.#consumers = singleActiveConsumer
      ? new SingleActiveConsumer({
        byPriority: !this.#isQuorum || replacesSingleActive,
        replaces: this.#isQuorum && replacesSingleActive,
      })
      : new ConsumerRotation();
  }

  /** The name. */
  get name(): string {
    return this.declaration.name;
  }

  /** What the version does. */
  get rules(): VersionRules {
    return this.#host.rules;
  }

  /** The number of messages that wait for a consumer. */
  get messageCount(): number {
    return this.#ready.length;
  }

  /** The number of messages that were delivered and not settled. */
  get unackedCount(): number {
    return this.#unacked.size;
  }

  /** The consumers. */
  get consumers(): readonly Consumer[] {
    return this.#consumers.all;
  }

  /** Notes a use of the queue, which restarts its `x-expires`. */
  touch(): void {
    this.#unusedTimer?.cancel();
    this.#unusedTimer = undefined;
    const { expiresMs } = this.declaration.settings;
    if (expiresMs === undefined || this.#consumers.size > 0 || this.#isDeleted) return;
    this.#unusedTimer = this.#host.clock.schedule(expiresMs, () => this.#host.deleteQueue(this));
  }

  /** Takes a message in; returns `false` if a full queue rejects it. */
  publish(message: Message): boolean {
    if (this.#rejects(message)) return false;
    const entry = this.#entries.entryOf(message);
    // A classic queue does not look whether others wait: if they do, nobody has room for them.
    const isFirst = this.#ready.length === 0 || !this.#isQuorum;
    if (isFirst && this.#deliverAtOnce(entry)) return true;
    // What has failed elsewhere counts as delivered here once it has waited.
    if (this.#tellsFailures && entry.failedCount > 0) entry.redelivered = true;
    this.#host.countBytes(message.body.length);
    this.#ready.push(entry);
    const hasDropped = this.#dropOverflow();
    // As classic queues do: behind others a message is not looked at, be it first of its priority.
    const mayExpire = this.#isQuorum && entry.expiresAt !== undefined;
    if (hasDropped || this.#ready.length === 1 || mayExpire) this.run();
    return true;
  }

  /** Takes the next message out, as for `basic.get`. */
  get(noAck: boolean): QueuedMessage | undefined {
    this.touch();
    // A classic queue gives even an expired message, if its time has only just come.
    if (this.#isQuorum) this.#dropExpired();
    const entry = this.#shift();
    if (entry !== undefined && !noAck) this.#unacked.add(entry);
    this.#dropExpired();
    return entry;
  }

  /** Adds a consumer and serves it. */
  addConsumer(consumer: Consumer): void {
    this.#consumers.add(consumer);
    this.touch();
    this.run();
  }

  /** Takes a consumer out; its unsettled deliveries stay with its channel. */
  removeConsumer(consumer: Consumer): void {
    this.detachConsumer(consumer);
    if (this.#isQuorum || this.#host.rules.servesAfterCancel) this.run();
  }

  /** Takes a consumer out and serves nobody in its place until {@linkcode run}. */
  detachConsumer(consumer: Consumer): void {
    if (!this.#consumers.remove(consumer)) return;
    this.touch();
    if (this.declaration.autoDelete && this.#consumers.size === 0) this.#host.deleteQueue(this);
  }

  /** Serves a consumer that may have room again. */
  resume(consumer: Consumer): void {
    this.#consumers.resume(consumer);
    this.run();
  }

  /** Ends deliveries: for good, as dead letters, or back into the queue. */
  settle(deliveries: readonly Settlement[], outcome: SettleOutcome): void {
    const entries: QueuedMessage[] = [];
    for (const { entry, consumer } of deliveries) {
      if (!this.#unacked.delete(entry)) continue;
      entries.push(entry);
      if (consumer === undefined) continue;
      consumer.unacked--;
      this.#consumers.resume(consumer);
    }
    if (outcome.end !== "ack") { for (const entry of entries) this.#countReturn(entry, outcome); }
    if (outcome.end === "dead-letter") this.#deadLetter(entries, "rejected");
    if (outcome.end === "requeue") {
      const isSplit = this.#isQuorum && outcome.isAsked && this.#host.rules.returnsOneByOne;
      for (const batch of isSplit ? entries.map((entry) => [entry]) : [entries]) {
        this.#putBack(batch, outcome);
      }
    }
    this.run();
  }

  /** Drops all ready messages; returns their number. */
  purge(): number {
    const purged = this.#ready.clear();
    for (const { message } of purged) this.#host.countBytes(-message.body.length);
    return purged.length;
  }

  /** Ends the queue; returns the number of ready messages that went with it. */
  delete(): number {
    this.#isDeleted = true;
    this.#expiryTimer?.cancel();
    this.#unusedTimer?.cancel();
    const count = this.purge();
    this.#unacked.clear();
    for (const consumer of this.cancelConsumers()) consumer.sink.cancelled(consumer);
    return count;
  }

  /** Takes all consumers out and returns them. */
  cancelConsumers(): readonly Consumer[] {
    const consumers = this.#consumers.all;
    for (const consumer of consumers) this.#consumers.remove(consumer);
    return consumers;
  }

  /** Forgets what does not survive a restart: transient messages of classic queues. */
  dropTransient(): void {
    const kept = this.#ready.clear();
    for (const entry of kept) {
      const { message } = entry;
      if (this.#isQuorum || message.properties.isPersistent) {
        this.#ready.push(entry);
      } else this.#host.countBytes(-message.body.length);
    }
  }

  /** Delivers ready messages while a consumer has room. */
  run(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    this.#dropExpired();
    while (this.#ready.length > 0) {
      const consumer = this.#consumers.next();
      if (consumer === undefined) break;
      const entry = this.#shift();
      if (entry !== undefined) this.#deliver(consumer, entry);
      this.#dropExpired();
    }
    this.#isDelivering = false;
  }

  get #isQuorum(): boolean {
    return this.declaration.settings.type === "quorum";
  }

  get #tellsFailures(): boolean {
    return this.#host.rules.countedReturns === "failed";
  }

  /** Version 4.3 tells failures from returns, and counts those of classic queues, too. */
  #countReturn(entry: QueuedMessage, { end, isAsked, isFailure }: SettleOutcome): void {
    entry.redelivered = true;
    entry.acquiredCount++;
    if (!this.#tellsFailures && !this.#isQuorum) return;
    if (this.#tellsFailures ? isFailure : end === "dead-letter" || !isAsked) entry.failedCount++;
  }

  #putBack(entries: readonly QueuedMessage[], outcome: SettleOutcome): void {
    const { deliveryLimit } = this.declaration.settings;
    const { requeuesToEnd, dropsLastFirst } = this.#host.rules;
    // Where nothing limits redeliveries, RabbitMQ lets others have their turn first.
    const goesToEnd = this.#isQuorum && deliveryLimit === undefined && outcome.isAsked &&
      requeuesToEnd;
    const exceeding: QueuedMessage[] = [];
    for (const entry of entries) {
      const count = this.#tellsFailures ? entry.failedCount : entry.acquiredCount;
      if (this.#isQuorum && count > (deliveryLimit ?? Infinity)) {
        exceeding.push(entry);
        continue;
      }
      this.#host.countBytes(entry.message.body.length);
      if (goesToEnd) this.#ready.push(this.#entries.behindAll(entry));
      else this.#ready.putBack(entry);
    }
    // Quorum queues look at their limits when consumers have taken what they can.
    if (this.#isQuorum) this.run();
    if (dropsLastFirst) this.#dropOverflow();
    this.#deadLetter(exceeding, "delivery_limit");
    if (!dropsLastFirst) this.#dropOverflow();
  }

  #deliverAtOnce(entry: QueuedMessage): boolean {
    if (this.#isDelivering) return false;
    const consumer = this.#consumers.next();
    if (consumer === undefined) return false;
    this.#deliver(consumer, entry);
    return true;
  }

  #deliver(consumer: Consumer, entry: QueuedMessage): void {
    if (!consumer.noAck) {
      this.#unacked.add(entry);
      consumer.unacked++;
    }
    consumer.sink.deliver(consumer, entry);
  }

  #shift(): QueuedMessage | undefined {
    const entry = this.#ready.shift();
    if (entry !== undefined) this.#host.countBytes(-entry.message.body.length);
    return entry;
  }

  #rejects(message: Message): boolean {
    const { overflow, maxLength = Infinity, maxLengthBytes = Infinity } = this.declaration.settings;
    if (overflow === "drop-head") return false;
    const bytes = this.#entries.bytesOf(message);
    const fits = this.#ready.length + 1 <= maxLength && this.#ready.bytes + bytes <= maxLengthBytes;
    if (!fits && overflow === "reject-publish-dlx") this.#deadLetter([{ message }], "maxlen");
    return !fits;
  }

  /** Drops what is too much; tells whether it did. */
  #dropOverflow(): boolean {
    const { overflow, maxLength = Infinity, maxLengthBytes = Infinity } = this.declaration.settings;
    if (overflow !== "drop-head") return false;
    const dropped: QueuedMessage[] = [];
    while (this.#ready.length > maxLength || this.#ready.bytes > maxLengthBytes) {
      const entry = this.#ready.shift();
      if (entry === undefined) break;
      dropped.push(entry);
      this.#host.countBytes(-entry.message.body.length);
    }
    if (this.#isQuorum && this.#host.rules.dropsLastFirst) dropped.reverse();
    this.#deadLetter(dropped, "maxlen");
    return dropped.length > 0;
  }

  #dropExpired(): void {
    this.#expiryTimer?.cancel();
    this.#expiryTimer = undefined;
    if (this.#ready.length === 0) return;
    const now = this.#host.clock.now();
    const expired = this.#ready.takeExpired(now);
    for (const { message } of expired) this.#host.countBytes(-message.body.length);
    this.#deadLetter(expired, "expired");
    const next = this.#ready.nextExpiry();
    if (next === undefined) return;
    this.#expiryTimer = this.#host.clock.schedule(next - now, () => this.run());
  }

  #deadLetter(entries: readonly DeadEntry[], reason: DeathReason): void {
    if (entries.length === 0) return;
    this.#host.deadLetter(this, entries.map(withDeliveryCount), reason);
  }
}
