/** Transactions: publishes and settlements that wait for `tx.commit`. @module */

/** What a transaction does at its end. */
export interface TransactionStep {
  /** Makes the step happen. */
  commit(): void;
  /** Takes the step back. */
  rollback(): void;
}

/** The open transaction of a channel. */
export class Transaction {
  #steps: TransactionStep[] = [];

  /** Adds a step. */
  add(step: TransactionStep): void {
    this.#steps.push(step);
  }

  /** Makes all steps happen and starts anew. */
  commit(): void {
    for (const step of this.#steps.splice(0)) step.commit();
  }

  /** Takes all steps back and starts anew. */
  rollback(): void {
    for (const step of this.#steps.splice(0)) step.rollback();
  }
}
