/** Publisher confirms of one channel. @module */

import type { ConfirmOutcome } from "../faults.ts";

/** One `basic.ack` or `basic.nack` to the publisher. */
export interface Confirm {
  /** Whether the broker took the message. */
  readonly outcome: ConfirmOutcome;
  /** The number of the publish. */
  readonly deliveryTag: number;
  /** Whether all open publishes up to this one are meant. */
  readonly multiple: boolean;
}

/** Numbers publishes and joins their confirms, as RabbitMQ does. */
export class Confirms {
  readonly #send: (confirm: Confirm) => void;
  readonly #open = new Set<number>();
  #settled = new Map<number, ConfirmOutcome>();
  #next = 1;

  /** Creates a numbering that starts at 1 and hands confirms on to `send`. */
  constructor(send: (confirm: Confirm) => void) {
    this.#send = send;
  }

  /** Numbers a publish. */
  open(): number {
    this.#open.add(this.#next);
    return this.#next++;
  }

  /** Notes what became of a publish; it is sent with others at the end of the current task. */
  settle(deliveryTag: number, outcome: ConfirmOutcome): void {
    this.#open.delete(deliveryTag);
    if (this.#settled.size === 0) queueMicrotask(() => this.flush());
    this.#settled.set(deliveryTag, outcome);
  }

  /** Sends the confirms that were noted. */
  flush(): void {
    const settled = this.#settled;
    if (settled.size === 0) return;
    this.#settled = new Map();
    this.#join(settled, "ack");
    this.#join(settled, "nack");
  }

  #join(settled: ReadonlyMap<number, ConfirmOutcome>, outcome: ConfirmOutcome): void {
    const tags = [...settled.keys()].filter((tag) => settled.get(tag) === outcome);
    tags.sort((one, other) => one - other);
    let cutoff = Infinity;
    for (const tag of this.#open) cutoff = Math.min(cutoff, tag);
    for (const [tag, other] of settled) if (other !== outcome) cutoff = Math.min(cutoff, tag);
    const joined = tags.filter((tag) => tag < cutoff);
    const last = joined.at(-1);
    if (last !== undefined) {
      this.#send({ outcome, deliveryTag: last, multiple: joined.length > 1 });
    }
    for (const deliveryTag of tags.slice(joined.length)) {
      this.#send({ outcome, deliveryTag, multiple: false });
    }
  }
}
