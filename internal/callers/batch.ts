/** Many calls that share one deadline and end together, their outputs in order. @module */

import type { BatchOptions, CallOptions } from "../../caller.ts";
import { RpcTimeoutError } from "../../errors.ts";
import { withCallerStack } from "../caller_stack.ts";
import { ItemReader, type ReadableItems } from "../streaming/item_reader.ts";
import { checkBatchOptions, checkInputs, signalsOf } from "./call_options.ts";

/**
 * The time and the signals of a batch; disposing of it cancels what is under way.
 *
 * Without a time of its own, each of its calls has that of the client: what a reader takes between
 * two outputs is nobody's lateness.
 */
export class Batch implements Disposable {
  /** Most calls that are under way at a time. */
  readonly concurrency: number;
  readonly #options: CallOptions;
  readonly #defaultMs: number;
  readonly #timeoutMs: number | undefined;
  readonly #deadline: number;
  readonly #signals: readonly AbortSignal[];
  readonly #end = new AbortController();

  /**
   * Starts the clock.
   *
   * @param options Those of the whole batch.
   * @param defaultMs The time of a call, in milliseconds.
   * @throws {TypeError} If an option cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   */
  constructor(options: BatchOptions, defaultMs: number) {
    checkBatchOptions(options);
    const { concurrency = 64, context, timeoutMs = Infinity, ...others } = options;
    this.concurrency = concurrency;
    this.#options = others;
    this.#defaultMs = defaultMs;
    this.#timeoutMs = options.timeoutMs;
    this.#deadline = Math.min(Date.now() + timeoutMs, context?.deadline ?? Infinity);
    this.#signals = signalsOf(options);
    for (const signal of this.#signals) signal.addEventListener("abort", this.#follow);
    this.#follow();
  }

  /** The options of a call that starts now. One signal ends all: each call listens to no other. */
  next(): CallOptions {
    const leftMs = Math.max(1, Math.ceil(this.#deadline - Date.now()));
    const timeoutMs = this.#timeoutMs === undefined ? Math.min(this.#defaultMs, leftMs) : leftMs;
    return { ...this.#options, timeoutMs, signal: this.#end.signal };
  }

  /** Runs a call that starts now; one that comes too late tells of the time of the whole batch. */
  async run<Output>(start: (options: CallOptions) => Promise<Output>): Promise<Output> {
    try {
      return await start(this.next());
    } catch (error) {
      if (this.#timeoutMs === undefined || !(error instanceof RpcTimeoutError)) throw error;
      const { procedure, call } = error;
      throw new RpcTimeoutError(procedure, this.#timeoutMs, call && { call });
    }
  }

  /** Throws what has ended the batch, if anything has. */
  throwIfAborted(): void {
    this.#end.signal.throwIfAborted();
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

/** What makes the calls of a batch. */
export interface BatchCaller {
  /** The time of a call, in milliseconds. */
  readonly timeoutMs: number;
  /** Makes one. */
  call(procedure: string, input: unknown, options: CallOptions): Promise<unknown>;
}

/**
 * Makes calls, so many at a time, and waits for all outputs.
 *
 * @param calls Pairs of a procedure's name and its input.
 * @param options Those of the whole batch.
 * @param caller Makes the calls.
 * @returns The outputs, in the order of the calls.
 */
export async function callInOrder(
  calls: Iterable<readonly [procedure: string, ...input: unknown[]]>,
  options: BatchOptions,
  caller: BatchCaller,
): Promise<unknown[]> {
  using batch = new Batch(options, caller.timeoutMs);
  const outputs = inOrder(calls, () => ({
    concurrency: batch.concurrency,
    start: ([procedure, input]) => batch.run((options) => caller.call(procedure, input, options)),
  }));
  try {
    return await Array.fromAsync(outputs);
  } catch (error) {
    throw withCallerStack(error);
  }
}

/** How {@linkcode inOrder} goes about it. */
export interface InOrderPlan<Input, Output> {
  /** Most operations that run at a time. */
  readonly concurrency: number;
  /** Starts one. */
  readonly start: (input: Input) => Promise<Output>;
  /** Throws if the reader is to get no more, whatever is done. */
  readonly check?: () => void;
  /** Told once that nothing more is read. */
  readonly onLeft?: () => void;
}

/**
 * Starts an operation for each input, so many at a time, and yields the outputs in the order of
 * the inputs, each as soon as it and those before it are there. Operations that are done wait for
 * slower ones before them, twice `concurrency` at most, so that one slow operation does not leave
 * the others' places empty. The first failure ends it at once, whatever its place in the order.
 *
 * @param inputs The inputs, taken as they are needed.
 * @param plan Tells with the first read how to go about it; nothing is started before.
 */
export function inOrder<Input, Output>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  plan: () => InOrderPlan<Input, Output>,
): ItemReader<Output> {
  return new ItemReader((wake) => startInOrder(inputs, plan(), wake));
}

function startInOrder<Input, Output>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  { concurrency, start, check, onLeft }: InOrderPlan<Input, Output>,
  wake: () => void,
): ReadableItems<Output> {
  checkInputs(inputs);
  const semaphore = new Semaphore(concurrency);
  const outputs = new OrderedOutputs<Output>(2 * concurrency, wake);
  // It never rejects, and is not waited for: inputs that never come must not hold up whoever leaves.
  void feed(inputs, outputs, (input) => semaphore.run(() => start(input)));
  return {
    take() {
      check?.();
      return outputs.take();
    },
    leave() {
      outputs.close();
      onLeft?.();
    },
  };
}

/** Starts the operations. Never rejects: a failure goes to the outputs. */
async function feed<Input, Output>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  outputs: OrderedOutputs<Output>,
  start: (input: Input) => Promise<Output>,
): Promise<void> {
  try {
    for await (const input of inputs) {
      outputs.add(start(input));
      if (!await outputs.hasRoom()) return;
    }
    outputs.end();
  } catch (error) {
    outputs.fail(error);
  }
}

/** The place of an output in the order; its operation may still run. */
interface Place<Output> {
  output: { readonly value: Output } | undefined;
}

/** Outputs in the order of their operations, whichever is done first. */
class OrderedOutputs<Output> {
  readonly #maxLength: number;
  readonly #wake: () => void;
  readonly #places: Place<Output>[] = [];
  #state:
    | { readonly name: "open" | "ended" | "closed" }
    | { readonly name: "failed"; readonly error: unknown } = { name: "open" };
  #changed = Promise.withResolvers<void>();

  constructor(maxLength: number, wake: () => void) {
    this.#maxLength = maxLength;
    this.#wake = wake;
  }

  /** Adds the output of an operation that was just started. */
  add(operation: Promise<Output>): void {
    const place: Place<Output> = { output: undefined };
    this.#places.push(place);
    operation.then((value) => {
      place.output = { value };
      if (place === this.#places[0]) this.#wake();
    }, (error) => this.fail(error));
  }

  /** Waits for room; tells whether further outputs are wanted. */
  async hasRoom(): Promise<boolean> {
    while (this.#isOpen() && this.#places.length >= this.#maxLength) await this.#changed.promise;
    return this.#isOpen();
  }

  /** Takes the oldest output; `undefined` if it is not there yet. */
  take(): IteratorResult<Output, void> | undefined {
    const oldest = this.#places[0]?.output;
    if (oldest !== undefined) {
      this.#places.shift();
      this.#notify();
      return { done: false, value: oldest.value };
    }
    if (this.#state.name === "failed") throw this.#state.error;
    const isEnded = this.#state.name === "ended" && this.#places.length === 0;
    return isEnded ? { done: true, value: undefined } : undefined;
  }

  /** Says that all operations were started. */
  end(): void {
    if (this.#isOpen()) this.#state = { name: "ended" };
    this.#wake();
  }

  /** Fails all outputs that are not there yet. */
  fail(error: unknown): void {
    if (this.#state.name === "open" || this.#state.name === "ended") {
      this.#state = { name: "failed", error };
    }
    this.#notify();
    this.#wake();
  }

  /** Says that the reader has left. */
  close(): void {
    this.#state = { name: "closed" };
    this.#notify();
  }

  #isOpen(): boolean {
    return this.#state.name === "open";
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Lets so many operations run at a time, the others in turn. */
class Semaphore {
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
