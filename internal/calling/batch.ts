/** Calls that share one deadline and end together. @module */

import type { CallTerms } from "./call_terms.ts";

/** The terms of a batch; disposing of it cancels what is under way. */
export class Batch implements Disposable {
  readonly #terms: CallTerms;
  readonly #deadline: number;
  readonly #end = new AbortController();

  /**
   * Starts the clock.
   *
   * @param terms Those of the whole batch.
   */
  constructor(terms: CallTerms) {
    this.#terms = terms;
    this.#deadline = Date.now() + terms.timeoutMs;
  }

  /** The terms of a call that starts now. */
  next(): CallTerms {
    return {
      ...this.#terms,
      timeoutMs: Math.max(1, this.#deadline - Date.now()),
      signals: [...this.#terms.signals, this.#end.signal],
    };
  }

  [Symbol.dispose](): void {
    this.#end.abort(new DOMException("The batch has ended", "AbortError"));
  }
}
