/** Somebody who may write to queues and means no good. @module */

import { type Poison, poisonCorpus } from "../../tools/raw/poison.ts";
import type { PoisonFuzzer } from "../../tools/raw/poison_fuzz.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import { RawPublisher } from "../../tools/raw/raw_publisher.ts";

/** Publishes poison to one queue, and listens to what is answered. */
export class Stranger implements AsyncDisposable {
  readonly #queue: string;
  readonly #publisher: RawPublisher;
  readonly #listener: RawClient;
  readonly #replyQueue: string;
  readonly #answers = new Map<string, number>();
  #published = 0;
  #taken = 0;

  private constructor(
    queue: string,
    publisher: RawPublisher,
    { listener, replyQueue }: { readonly listener: RawClient; readonly replyQueue: string },
  ) {
    this.#queue = queue;
    this.#publisher = publisher;
    this.#listener = listener;
    this.#replyQueue = replyQueue;
  }

  static async open(url: string, queue: string): Promise<Stranger> {
    const listener = await RawClient.open(url);
    await listener.openChannel(1);
    const { arguments: { queue: replyQueue } } = await listener.call(
      1,
      ["queue.declare", "queue.declare-ok"],
      { exclusive: true },
    );
    await listener.call(1, ["basic.consume", "basic.consume-ok"], {
      queue: replyQueue,
      noAck: true,
    });
    return new Stranger(queue, await RawPublisher.open(url), { listener, replyQueue });
  }

  /** Messages that it has published. */
  get published(): number {
    return this.#published;
  }

  /** Messages that the broker has refused, at the cost of the stranger's connection, by code. */
  get refusals(): ReadonlyMap<number, number> {
    return this.#publisher.refusals;
  }

  /** Messages that the broker has taken. */
  get taken(): number {
    return this.#taken;
  }

  /** Publishes the whole corpus. */
  async publishCorpus(maxNesting: number): Promise<void> {
    const { length } = poisonCorpus({}, { maxNesting });
    for (let index = 0; index < length; index++) {
      // Each has an id of its own.
      const poison = poisonCorpus(this.#bait(), { maxNesting })[index];
      if (poison !== undefined) await this.#publish(poison);
    }
  }

  /** Publishes poison that nobody has thought of. */
  async publishFuzzed(fuzzer: PoisonFuzzer, count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      await this.#publish(fuzzer.next(this.#bait()));
    }
  }

  /** Messages of its own that were answered more than once. */
  answeredTwice(): number {
    this.#listen();
    return [...this.#answers].filter(([id, count]) => id.startsWith(ID_PREFIX) && count > 1).length;
  }

  /** Messages of its own that were answered. */
  answered(): number {
    this.#listen();
    return [...this.#answers.values()].reduce((sum, count) => sum + count, 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#publisher[Symbol.dispose]();
    this.#listener[Symbol.dispose]();
    return Promise.resolve();
  }

  #bait() {
    return { replyTo: this.#replyQueue, correlationId: idOf(this.#published) };
  }

  async #publish(poison: Poison): Promise<void> {
    this.#published++;
    if (await this.#publisher.publish(this.#queue, poison) === "confirmed") this.#taken++;
  }

  #listen(): void {
    for (const { properties } of this.#listener.takeAll()) {
      const id = properties?.text("correlationId") ?? "";
      this.#answers.set(id, (this.#answers.get(id) ?? 0) + 1);
    }
  }
}

const ID_PREFIX = "poison-";

/** The fuzzer turns bytes over: what becomes of an id must not be that of another message. */
function idOf(number: number): string {
  return `${ID_PREFIX}${number}-${(Math.imul(number, 0x9e3779b1) >>> 0).toString(16)}`;
}
