/** A limit on the share of retries among all attempts. @module */

/**
 * The retry throttling of gRPC (proposal A6): a bucket of tokens that failures empty and successes
 * fill. While it is at most half full, nothing is retried, so that retries cannot hold a service
 * down that is failing under its load.
 */
export class RetryBudget {
  readonly #maxTokens: number;
  readonly #tokenRatio: number;
  #tokens: number;

  /**
   * Makes a full bucket.
   *
   * @param maxTokens What it holds.
   * @param tokenRatio What a success adds; a failure takes 1.
   */
  constructor(maxTokens: number, tokenRatio: number) {
    this.#maxTokens = maxTokens;
    this.#tokenRatio = tokenRatio;
    this.#tokens = maxTokens;
  }

  /** Whether a failure may be followed by another attempt. */
  get allowsRetry(): boolean {
    return this.#tokens > this.#maxTokens / 2;
  }

  /** Counts a call that succeeded. */
  succeed(): void {
    this.#tokens = Math.min(this.#maxTokens, this.#tokens + this.#tokenRatio);
  }

  /** Counts an attempt that failed and could be retried. */
  fail(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }
}
