/**
 * Streams: items that a handler yields, on their way to their reader.
 *
 * @module
 */

/** What yields items: a generator, async or not, or another iterator that can be iterated. */
export type ItemSource =
  & Pick<AsyncIterator<unknown> | Iterator<unknown>, "next" | "return">
  & (AsyncIterable<unknown> | Iterable<unknown>);

/** What a handler may give for a stream of items. */
export type Streamable = ItemSource | AsyncIterable<unknown>;

/** Whether a handler's output is a stream of items: a generator, a `ReadableStream` and the like. */
export function isStreamable(output: unknown): output is Streamable {
  if (typeof output !== "object" || output === null) return false;
  return Symbol.asyncIterator in output || ("next" in output && Symbol.iterator in output);
}

/** Takes items out of what streams. */
export function itemsOf(output: Streamable): ItemSource {
  if ("next" in output) return output;
  const items = output[Symbol.asyncIterator]();
  return {
    next: () => items.next(),
    return: async () => await items.return?.() ?? { done: true, value: undefined },
    [Symbol.asyncIterator]: () => output[Symbol.asyncIterator](),
  };
}

/** Closes what streams and nobody reads. What was never opened needs no closing, but for the web's streams. */
export async function leaveItems(output: Streamable): Promise<void> {
  if ("next" in output) return await closeItems(output);
  try {
    if (output instanceof ReadableStream) await output.cancel();
  } catch {
    // What refused the stream is told instead.
  }
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
async function closeItems(items: ItemSource): Promise<void> {
  try {
    await items.return?.();
  } catch {
    // What ended the stream is told instead.
  }
}
