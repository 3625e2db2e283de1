/** Keeps calls from servers that are in trouble, for a while. @module */

import { RpcError } from "../../errors.ts";
import { checkInteger, checkNumber } from "../../internal/check.ts";
import { evidenceOf } from "./evidence.ts";

/** When to stop calling, and for how long. */
export interface BreakerOptions {
  /**
   * The share of failures, among the last {@linkcode BreakerOptions.windowCalls}, beyond which the
   * circuit opens; more than 0 and less than 1.
   *
   * @default {0.5}
   */
  readonly failureRatio?: number;
  /**
   * How many of the last attempts count.
   *
   * @default {20}
   */
  readonly windowCalls?: number;
  /**
   * Attempts that there must be before the circuit opens; at most `windowCalls`.
   *
   * @default {5}
   */
  readonly minCalls?: number;
  /**
   * Time that the circuit stays open before probes are let through, in milliseconds.
   *
   * @default {10_000}
   */
  readonly coolDownMs?: number;
  /**
   * Attempts that are let through after that time. If all of them are answered the circuit closes;
   * if one is not it opens again.
   *
   * @default {1}
   */
  readonly probes?: number;
}

/** What happens to the circuit of a procedure. */
export type BreakerEvent =
  /** Calls fail with `circuit-open` for `coolDownMs` milliseconds, because of `error` at last. */
  | {
    readonly type: "circuit-opened";
    readonly procedure: string;
    readonly coolDownMs: number;
    readonly error: unknown;
  }
  /** Probes are let through. */
  | { readonly type: "circuit-half-opened"; readonly procedure: string }
  /** Calls are let through again. */
  | { readonly type: "circuit-closed"; readonly procedure: string };

/** The `details` of an error with the code `circuit-open`. */
export interface CircuitOpenDetails {
  /** Time until probes are let through, in milliseconds; 0 while probes are under way. */
  readonly remainingCoolDownMs: number;
}

type Circuit =
  | { readonly state: "closed"; readonly window: Window }
  | { readonly state: "open"; readonly until: number; readonly error: unknown }
  | { readonly state: "half-open"; readonly error: unknown; probes: number; answers: number };

/** The circuit of one procedure. */
export class Breaker {
  readonly #procedure: string;
  readonly #options: Required<BreakerOptions>;
  readonly #emit: (event: BreakerEvent) => void;
  #circuit: Circuit;

  /** Makes a closed circuit. */
  constructor(
    procedure: string,
    options: Required<BreakerOptions>,
    emit: (event: BreakerEvent) => void,
  ) {
    this.#procedure = procedure;
    this.#options = options;
    this.#emit = emit;
    this.#circuit = { state: "closed", window: new Window(options.windowCalls) };
  }

  /**
   * Refuses if no attempt would be let through.
   *
   * @throws {RpcError} `circuit-open`.
   */
  check(): void {
    const circuit = this.#circuit;
    switch (circuit.state) {
      case "closed":
        return;
      case "open": {
        const remainingMs = circuit.until - Date.now();
        if (remainingMs > 0) throw this.#circuitOpen(remainingMs, circuit.error);
        return;
      }
      case "half-open":
        if (circuit.probes >= this.#options.probes) throw this.#circuitOpen(0, circuit.error);
    }
  }

  /**
   * Makes an attempt if the circuit lets it through.
   *
   * @throws {RpcError} `circuit-open`.
   * @throws What the attempt rejects with.
   */
  async run<Output>(
    attempt: () => Promise<Output>,
    signal: AbortSignal | undefined,
  ): Promise<Output> {
    this.check();
    const circuit = this.#enter();
    try {
      const output = await attempt();
      this.#succeed(circuit);
      return output;
    } catch (error) {
      const evidence = evidenceOf(error, signal);
      if (evidence === "answered") this.#succeed(circuit);
      // A probe that is aborted proves nothing: the circuit stays open.
      else if (evidence === "trouble" || circuit.state === "half-open") this.#fail(circuit, error);
      throw error;
    }
  }

  /** The circuit that an attempt which is let through belongs to. */
  #enter(): Circuit {
    if (this.#circuit.state === "open") {
      const { error } = this.#circuit;
      this.#circuit = { state: "half-open", error, probes: 0, answers: 0 };
      this.#emit({ type: "circuit-half-opened", procedure: this.#procedure });
    }
    if (this.#circuit.state === "half-open") this.#circuit.probes++;
    return this.#circuit;
  }

  #succeed(circuit: Circuit): void {
    // What began before the circuit changed says nothing of the servers as they are now.
    if (circuit !== this.#circuit) return;
    if (circuit.state === "closed") circuit.window.add(false);
    else if (circuit.state === "half-open" && ++circuit.answers === this.#options.probes) {
      this.#circuit = { state: "closed", window: new Window(this.#options.windowCalls) };
      this.#emit({ type: "circuit-closed", procedure: this.#procedure });
    }
  }

  #fail(circuit: Circuit, error: unknown): void {
    if (circuit !== this.#circuit) return;
    const { coolDownMs, failureRatio, minCalls } = this.#options;
    if (circuit.state === "closed") {
      const { window } = circuit;
      window.add(true);
      if (window.calls < minCalls || window.failures <= failureRatio * window.calls) return;
    }
    this.#circuit = { state: "open", until: Date.now() + coolDownMs, error };
    this.#emit({ type: "circuit-opened", procedure: this.#procedure, coolDownMs, error });
  }

  #circuitOpen(remainingCoolDownMs: number, cause: unknown): RpcError {
    const details: CircuitOpenDetails = { remainingCoolDownMs };
    const state = remainingCoolDownMs === 0
      ? "a probe is under way"
      : `the next probe may go in ${remainingCoolDownMs} ms`;
    return new RpcError(
      "circuit-open",
      `Cannot call "${this.#procedure}" as too many calls of it have failed: ${state}`,
      { details, cause },
    );
  }
}

/** Whether each of the last attempts failed. */
class Window {
  readonly #size: number;
  readonly #failed: boolean[] = [];
  #next = 0;
  #failures = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get calls(): number {
    return this.#failed.length;
  }

  get failures(): number {
    return this.#failures;
  }

  add(isFailure: boolean): void {
    if (this.#failed[this.#next]) this.#failures--;
    if (isFailure) this.#failures++;
    this.#failed[this.#next] = isFailure;
    this.#next = (this.#next + 1) % this.#size;
  }
}

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} If a number is out of its bounds.
 */
export function resolveBreakerOptions(options: BreakerOptions): Required<BreakerOptions> {
  const { failureRatio = 0.5, windowCalls = 20, coolDownMs = 10_000, probes = 1 } = options;
  checkNumber("break circuits", { failureRatio }, { above: 0, below: 1 });
  checkInteger("break circuits", { windowCalls, coolDownMs, probes }, { min: 1 });
  const { minCalls = Math.min(5, windowCalls) } = options;
  checkInteger("break circuits", { minCalls }, { min: 1, max: windowCalls });
  return { failureRatio, windowCalls, minCalls, coolDownMs, probes };
}
