/**
 * Streams: items that a handler yields, on their way to their reader.
 *
 * @module
 */

/** What a generator is, whether it is async or not. */
export type AnyGenerator = AsyncGenerator<unknown> | Generator<unknown>;

/** Whether a handler's output is a stream of items. */
export function isGenerator(output: unknown): output is AnyGenerator {
  return typeof output === "object" && output !== null && "next" in output &&
    (Symbol.asyncIterator in output || Symbol.iterator in output);
}

/** Takes items out of a generator, as many as the reader has allowed. */
export class StreamSender {
  readonly #send: (item: unknown, seq: number) => void;
  #credits: number;
  #wake: () => void = () => {};

  /**
   * Makes a sender that has sent nothing.
   *
   * @param credits How many items may be sent at first.
   * @param send Sends one.
   */
  constructor(credits: number, send: (item: unknown, seq: number) => void) {
    this.#credits = credits;
    this.#send = send;
  }

  /** Allows so many items more; none, to have a cancelled task look again. */
  grant(count: number): void {
    this.#credits += count;
    this.#wake();
  }

  /**
   * Sends all items.
   *
   * @param items The generator.
   * @param throwIfCancelled Throws once nobody wants the items any more.
   * @returns What the generator returned in the end.
   */
  async sendAll(items: AnyGenerator, throwIfCancelled: () => void): Promise<unknown> {
    let isDone = false;
    try {
      for (let seq = 0;; seq++) {
        await this.#untilAllowed(throwIfCancelled);
        const { done, value } = await items.next();
        isDone = done === true;
        if (isDone) return value;
        this.#credits--;
        this.#send(value, seq);
      }
    } finally {
      if (!isDone) await items.return(undefined);
    }
  }

  async #untilAllowed(throwIfCancelled: () => void): Promise<void> {
    throwIfCancelled();
    while (this.#credits <= 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
      throwIfCancelled();
    }
  }
}
