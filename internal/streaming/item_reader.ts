/**
 * What a reader of a stream, or of a batch, holds in its hand.
 *
 * @module
 */

import { withCallerStack } from "../caller_stack.ts";

/** Where the items of an {@linkcode ItemReader} come from. */
export interface ReadableItems<Item> {
  /**
   * Takes the next item.
   *
   * @returns The item, or the end; `undefined` if neither is there yet: the reader looks again when
   * it is woken.
   * @throws {unknown} What ends the stream.
   */
  take(): IteratorResult<Item, void> | undefined;
  /** Told once that nothing more will be taken, for whatever reason. */
  leave(): void;
}

type State<Item> =
  | { readonly name: "unread" }
  | { readonly name: "reading"; readonly items: ReadableItems<Item> }
  | { readonly name: "over" };

type Read<Item> = PromiseWithResolvers<IteratorResult<Item, void>>;

const END = { done: true, value: undefined } as const;

/**
 * Reads items one by one, as an async generator does; but leaving ends it at once. The `return()` of
 * an async generator waits for the item that is being waited for, and a `ReadableStream` always waits
 * for one: its reader could not leave before the next item.
 *
 * @typeParam Item What is read.
 */
export class ItemReader<Item> implements AsyncGenerator<Item, void, undefined> {
  readonly #open: (wake: () => void) => ReadableItems<Item>;
  /** Reads that wait for an item, oldest first. */
  readonly #reads: Read<Item>[] = [];
  #state: State<Item> = { name: "unread" };

  /**
   * Makes a reader that has read nothing.
   *
   * @param open Called with the first read. What it gives calls `wake` when there may be something
   * to take.
   */
  constructor(open: (wake: () => void) => ReadableItems<Item>) {
    this.#open = open;
  }

  /** Reads an item; rejects with what ends the stream. */
  next(): Promise<IteratorResult<Item, void>> {
    if (this.#reads.length === 0) {
      try {
        const taken = this.#take();
        if (taken !== undefined) return Promise.resolve(taken);
      } catch (error) {
        return Promise.reject(withCallerStack(error));
      }
    }
    return this.#wait();
  }

  async #wait(): Promise<IteratorResult<Item, void>> {
    const read: Read<Item> = Promise.withResolvers();
    this.#reads.push(read);
    try {
      return await read.promise;
    } catch (error) {
      throw withCallerStack(error);
    }
  }

  /** Leaves: reads that wait end, and nothing more is read. */
  async return(value?: void | PromiseLike<void>): Promise<IteratorResult<Item, void>> {
    this.#leave();
    return { done: true, value: await value };
  }

  /** Leaves, as {@linkcode ItemReader.return}, and rejects with that error. */
  // deno-lint-ignore require-await -- it turns a throw into a rejection
  async throw(error: unknown): Promise<IteratorResult<Item, void>> {
    this.#leave();
    throw error;
  }

  /** A reader is read once: it is its own iterator. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #take(): IteratorResult<Item, void> | undefined {
    if (this.#state.name === "over") return END;
    try {
      if (this.#state.name === "unread") {
        this.#state = { name: "reading", items: this.#open(() => this.#wake()) };
      }
      const taken = this.#state.items.take();
      if (taken?.done === true) this.#end();
      return taken;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** Serves the reads that wait, in order; those behind the one that ends it have nothing to read. */
  #serve(): void {
    for (let read = this.#reads.shift(); read !== undefined; read = this.#reads.shift()) {
      try {
        const taken = this.#take();
        if (taken === undefined) return void this.#reads.unshift(read);
        read.resolve(taken);
      } catch (error) {
        read.reject(error);
      }
    }
  }

  #wake(): void {
    if (this.#state.name === "reading") this.#serve();
  }

  #leave(): void {
    this.#end();
    this.#serve();
  }

  #end(): void {
    const state = this.#state;
    this.#state = { name: "over" };
    if (state.name === "reading") state.items.leave();
  }
}
