/** Transactions: publishes and settlements that wait for `tx.commit`. @module */

/** A settlement that may still be taken back. */
export interface SettlementStep {
  /** Makes it happen. */
  commit(): void;
  /** Takes it back. */
  rollback(): void;
}

/** The open transaction of a channel. */
export class Transaction {
  readonly #publishes: (() => boolean)[] = [];
  readonly #settlements: SettlementStep[] = [];

  /** Whether there is a publish in it. */
  get hasPublishes(): boolean {
    return this.#publishes.length > 0;
  }

  /** Adds a publish, which tells whether all queues have taken the message. */
  addPublish(publish: () => boolean): void {
    this.#publishes.push(publish);
  }

  /** Adds a settlement. */
  addSettlement(step: SettlementStep): void {
    this.#settlements.push(step);
  }

  /** Makes all publishes happen, then all settlements; tells whether all publishes were taken. */
  commit(): boolean {
    let isComplete = true;
    for (const publish of this.#publishes.splice(0)) isComplete = publish() && isComplete;
    for (const step of this.#settlements.splice(0)) step.commit();
    return isComplete;
  }

  /** Takes everything back and starts anew. */
  rollback(): void {
    this.#publishes.length = 0;
    for (const step of this.#settlements.splice(0)) step.rollback();
  }
}
