/** Signals that ask a program to end. */
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** Turns the signals that ask a program to end into an `AbortSignal` and a callback. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #callbacks = new Set<(signal: Deno.Signal) => void>();
  readonly #listeners = SIGNALS.map((name) => ({ name, listener: () => this.#receive(name) }));

  private constructor() {}

  /** Starts to listen; dispose of the result to give the signals their usual effect back. */
  static listen(): Interruption {
    const interruption = new Interruption();
    for (const { name, listener } of interruption.#listeners) {
      Deno.addSignalListener(name, listener);
    }
    return interruption;
  }

  /** Aborted by the first signal; its reason names that signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Calls back for each signal until the returned object is disposed of. */
  onSignal(callback: (signal: Deno.Signal) => void): Disposable {
    this.#callbacks.add(callback);
    return { [Symbol.dispose]: () => void this.#callbacks.delete(callback) };
  }

  [Symbol.dispose](): void {
    for (const { name, listener } of this.#listeners) Deno.removeSignalListener(name, listener);
    this.#callbacks.clear();
  }

  #receive(name: Deno.Signal): void {
    this.#controller.abort(new DOMException(`Interrupted by ${name}`, "AbortError"));
    for (const callback of this.#callbacks) callback(name);
  }
}
