/** Many calls that share one deadline and end together, their outputs in order. @module */

import type { BatchOptions, CallOptions } from "../../options/client_options.ts";
import { signalsOf, timeLeftMs } from "./call_request.ts";
import { checkBatchOptions } from "./client_settings.ts";

/** The time and the signals of a batch; disposing of it cancels what is under way. */
export class Batch implements Disposable {
  /** Most calls that are under way at a time. */
  readonly concurrency: number;
  readonly #options: CallOptions;
  readonly #deadline: number;
  readonly #signals: readonly AbortSignal[];
  readonly #end = new AbortController();

  /**
   * Starts the clock.
   *
   * @param options Those of the whole batch.
   * @param defaultMs The time of a batch that does not say so itself, in milliseconds.
   * @throws {TypeError} If an option cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   */
  constructor(options: BatchOptions, defaultMs: number) {
    checkBatchOptions(options);
    const { concurrency = 64, context: _context, ...others } = options;
    this.concurrency = concurrency;
    this.#options = others;
    this.#deadline = Date.now() + timeLeftMs(options, defaultMs);
    this.#signals = signalsOf(options);
    for (const signal of this.#signals) signal.addEventListener("abort", this.#follow);
    this.#follow();
  }

  /** The options of a call that starts now. One signal ends all: each call listens to no other. */
  next(): CallOptions {
    const timeoutMs = Math.max(1, this.#deadline - Date.now());
    return { ...this.#options, timeoutMs, signal: this.#end.signal };
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#follow);
    this.#end.abort(new DOMException("The batch has ended", "AbortError"));
  }

  readonly #follow = (): void => {
    const aborted = this.#signals.find((signal) => signal.aborted);
    if (aborted !== undefined) this.#end.abort(aborted.reason);
  };
}

/**
 * Starts an operation for each input, so many at a time, and yields the outputs in the order of
 * the inputs, each as soon as it and those before it are there. Operations that are done wait for
 * slower ones before them, twice `concurrency` at most, so that one slow operation does not leave
 * the others' places empty. The first failure ends it at once, whatever its place in the order.
 *
 * @param inputs The inputs, taken as they are needed.
 * @param concurrency Most operations that run at a time.
 * @param start Starts one.
 */
export async function* inOrder<Input, Output>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  concurrency: number,
  start: (input: Input) => Promise<Output>,
): AsyncGenerator<Output, void, undefined> {
  const gate = new Gate(concurrency);
  const line = new Line<Output>(2 * concurrency);
  const feeding = feed(inputs, line, (input) => gate.run(() => start(input)));
  try {
    for (let next = line.next(); next !== undefined; next = line.next()) {
      const output = await next;
      if (output === undefined) continue;
      line.shift();
      yield output.value;
    }
    await feeding;
  } finally {
    // Not waited for: inputs that never come must not hold up whoever leaves.
    line.close();
  }
}

/** Never rejects: what goes wrong goes down the line. */
async function feed<Input, Output>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  line: Line<Output>,
  start: (input: Input) => Promise<Output>,
): Promise<void> {
  try {
    for await (const input of inputs) {
      line.add(start(input));
      if (!await line.hasRoom()) return;
    }
    line.end();
  } catch (error) {
    line.fail(error);
  }
}

/** What the reader of a {@linkcode Line} gets: an output, or nothing but a reason to look again. */
type Next<Output> = Promise<{ readonly value: Output } | undefined>;

/** Outputs in order, between those who make them and the one who reads them. */
class Line<Output> {
  readonly #maxLength: number;
  readonly #places: PromiseWithResolvers<{ readonly value: Output }>[] = [];
  #state: "open" | "ended" | "closed" = "open";
  #failure: { readonly error: unknown } | undefined;
  #changed = Promise.withResolvers<undefined>();

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** Takes an output's place. */
  add(output: Promise<Output>): void {
    const place = Promise.withResolvers<{ readonly value: Output }>();
    // A failure behind the one that ends the line has nobody to see it.
    place.promise.catch(() => {});
    this.#places.push(place);
    output.then((value) => place.resolve({ value }), (error) => this.fail(error));
    this.#notify();
  }

  /** Waits for room; tells whether the line goes on. */
  async hasRoom(): Promise<boolean> {
    while (this.#isGoingOn() && this.#places.length >= this.#maxLength) await this.#changed.promise;
    return this.#isGoingOn();
  }

  /** The oldest output; `undefined` if there is none any more. */
  next(): Next<Output> | undefined {
    const [oldest] = this.#places;
    if (oldest !== undefined) return oldest.promise;
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    return this.#state === "open" ? this.#changed.promise : undefined;
  }

  /** Gives the place of the oldest output up. */
  shift(): void {
    this.#places.shift();
    this.#notify();
  }

  /** Ends the line after its last place. */
  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#notify();
  }

  /** Ends the line at once: what is not there yet never comes. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { reject } of this.#places) reject(error);
    this.#notify();
  }

  /** Tells that nobody reads any more. */
  close(): void {
    this.#state = "closed";
    this.#notify();
  }

  #isGoingOn(): boolean {
    return this.#state === "open" && this.#failure === undefined;
  }

  #notify(): void {
    this.#changed.resolve(undefined);
    this.#changed = Promise.withResolvers();
  }
}

/** Lets so many operations run at a time, the others in turn. */
class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async run<Output>(start: () => Promise<Output>): Promise<Output> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await start();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
