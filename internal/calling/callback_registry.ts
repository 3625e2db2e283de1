/** Callbacks of fire-and-forget calls, each run exactly once or taken out. @module */

/** How a fire-and-forget call ended. */
export type CallResult<Output> =
  | { readonly ok: true; readonly output: Output }
  | { readonly ok: false; readonly error: unknown };

/** What a fire-and-forget call hands its result to. It may return a promise. */
export type CallCallback<Output> = (result: CallResult<Output>) => unknown;

/** The callbacks that wait for their call's result, by correlation id. */
export class CallbackRegistry {
  readonly #callbacks = new Map<string, CallCallback<unknown>>();
  readonly #onFailure: (correlationId: string, error: unknown) => void;

  /**
   * Makes an empty registry.
   *
   * @param onFailure Told of each callback that throws or rejects.
   */
  constructor(onFailure: (correlationId: string, error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** Puts a callback in, to be run with the outcome of its call; resolves once it has run. */
  add(
    correlationId: string,
    outcome: Promise<unknown>,
    callback: CallCallback<unknown>,
  ): Promise<void> {
    this.#callbacks.set(correlationId, callback);
    return outcome.then(
      (output) => this.#run(correlationId, { ok: true, output }),
      (error) => this.#run(correlationId, { ok: false, error }),
    );
  }

  /** Takes a callback out, so that it is not run; tells whether it was still there. */
  remove(correlationId: string): boolean {
    return this.#callbacks.delete(correlationId);
  }

  /** Runs a function of the user's and tells what it throws. */
  guard(correlationId: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onFailure(correlationId, error);
    }
  }

  async #run(correlationId: string, result: CallResult<unknown>): Promise<void> {
    const callback = this.#callbacks.get(correlationId);
    if (callback === undefined) return;
    this.#callbacks.delete(correlationId);
    try {
      await callback(result);
    } catch (error) {
      this.#onFailure(correlationId, error);
    }
  }
}
