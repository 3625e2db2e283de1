/** Runs many with bounded concurrency and yields their outputs in order. @module */

/**
 * Starts an operation for each input, so many at a time, and yields the outputs in the order of
 * the inputs. Operations that are done wait for slower ones before them, twice `concurrency` at
 * most, so that one slow operation does not leave the others' places empty.
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
  const outputs: Promise<Output>[] = [];
  for await (const input of inputs) {
    outputs.push(owned(gate.run(() => start(input))));
    const oldest = outputs.length >= 2 * concurrency ? outputs.shift() : undefined;
    if (oldest !== undefined) yield await oldest;
  }
  for (const output of outputs) yield await output;
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

/** A failure behind the one that ends the loop has nobody to see it. */
function owned<Output>(output: Promise<Output>): Promise<Output> {
  output.catch(() => {});
  return output;
}
