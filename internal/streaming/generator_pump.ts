/**
 * Streams: items that a handler yields, on their way to their reader.
 *
 * @module
 */

/** What yields items: a generator, async or not, or another iterator that can be iterated. */
export type ItemSource =
  & Pick<AsyncIterator<unknown> | Iterator<unknown>, "next" | "return">
  & (AsyncIterable<unknown> | Iterable<unknown>);

/** Whether a handler's output is a stream of items. */
export function isGenerator(output: unknown): output is ItemSource {
  return typeof output === "object" && output !== null && "next" in output &&
    (Symbol.asyncIterator in output || Symbol.iterator in output);
}

/** Takes items out of a generator, as many as the reader has allowed. */
export class GeneratorPump {
  readonly #send: (item: unknown, seq: number) => void;
  #credits: number;
  #wake: () => void = () => {};

  /**
   * Makes a pump that has sent nothing.
   *
   * @param credits How many items may be sent at first.
   * @param send Sends one.
   */
  constructor(credits: number, send: (item: unknown, seq: number) => void) {
    this.#credits = credits;
    this.#send = send;
  }

  /** Allows so many items more; none, to have a cancelled stream look again. */
  grant(count: number): void {
    this.#credits += count;
    this.#wake();
  }

  /**
   * Sends all items. A generator that is not read to its end is closed.
   *
   * @param items The generator.
   * @param throwIfCancelled Throws once nobody wants the items any more.
   * @returns What the generator returned in the end.
   */
  async sendAll(items: ItemSource, throwIfCancelled: () => void): Promise<unknown> {
    let isReading = false;
    try {
      for (let seq = 0;; seq++) {
        throwIfCancelled();
        if (this.#credits <= 0) await this.#untilAllowed(throwIfCancelled);
        isReading = true;
        const { done, value } = await items.next();
        isReading = false;
        if (done === true) return value;
        this.#credits--;
        this.#send(value, seq);
      }
    } catch (error) {
      // One that threw has ended by itself.
      if (!isReading) await closeItems(items);
      throw error;
    }
  }

  async #untilAllowed(throwIfCancelled: () => void): Promise<void> {
    while (this.#credits <= 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
      throwIfCancelled();
    }
  }
}

/** Closes a generator that is not read to its end. What it throws then is dropped. */
export async function closeItems(items: ItemSource): Promise<void> {
  try {
    await items.return?.();
  } catch {
    // What ended the stream is told instead.
  }
}
