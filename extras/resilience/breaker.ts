/** Keeps calls from servers that are in trouble, for a while. @module */

import {
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  CountBreaker,
  handleWhenResult,
} from "../../deps/cockatiel.ts";
import { RpcError } from "../../errors.ts";
import { checkInteger, checkNumber } from "../../internal/check.ts";
import { evidenceOf } from "./verdict.ts";

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
  /** Calls fail with `circuit-open` for `coolDownMs` milliseconds; `error` was the last straw. */
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

/** An attempt that tells against the servers, as the policy gets to see it. */
class Failure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** The outcome of an attempt that does not: its output, or an error of the handler's own. */
type Answer<Output> = { readonly output: Output } | { readonly error: unknown };

/** The circuit of one procedure. */
export class Breaker {
  readonly #procedure: string;
  readonly #options: Required<BreakerOptions>;
  readonly #policy: CircuitBreakerPolicy;
  readonly #emit: (event: BreakerEvent) => void;
  #openedAt = 0;
  #lastError: unknown;
  #probes = 0;

  /** Makes a closed circuit. */
  constructor(
    procedure: string,
    options: Required<BreakerOptions>,
    emit: (event: BreakerEvent) => void,
  ) {
    const { failureRatio, windowCalls, minCalls, coolDownMs, probes } = options;
    this.#procedure = procedure;
    this.#options = options;
    this.#emit = emit;
    this.#policy = circuitBreaker(handleWhenResult((outcome) => outcome instanceof Failure), {
      halfOpenAfter: coolDownMs,
      halfOpenSampling: { calls: probes, threshold: 0 },
      breaker: new CountBreaker({
        threshold: failureRatio,
        size: windowCalls,
        minimumNumberOfCalls: minCalls,
      }),
    });
    this.#policy.onStateChange((state) => this.#onStateChange(state));
  }

  /**
   * Refuses if no attempt would be let through. The library would have calls wait for the end of
   * the probes instead.
   *
   * @throws {RpcError} `circuit-open`.
   */
  check(): void {
    switch (this.#policy.state) {
      case CircuitState.Open: {
        const remainingMs = this.#openedAt + this.#options.coolDownMs - Date.now();
        if (remainingMs > 0) throw this.#circuitOpen(remainingMs);
        return;
      }
      case CircuitState.HalfOpen:
        if (this.#probes >= this.#options.probes) throw this.#circuitOpen(0);
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
    const outcome = await this.#policy.execute(() => this.#judge(attempt, signal));
    if ("output" in outcome) return outcome.output;
    throw outcome.error;
  }

  async #judge<Output>(
    attempt: () => Promise<Output>,
    signal: AbortSignal | undefined,
  ): Promise<Answer<Output> | Failure> {
    const isProbe = this.#policy.state === CircuitState.HalfOpen;
    if (isProbe) this.#probes++;
    try {
      return { output: await attempt() };
    } catch (error) {
      const evidence = evidenceOf(error, signal);
      // What is thrown here is not counted, except for probes, where the library would take it for
      // a success. An aborted probe proves nothing: the circuit had better stay open.
      if (evidence === "nothing" && !isProbe) throw error;
      if (evidence === "answered") return { error };
      this.#lastError = error;
      return new Failure(error);
    }
  }

  #onStateChange(state: CircuitState): void {
    const procedure = this.#procedure;
    this.#probes = 0;
    switch (state) {
      case CircuitState.Open: {
        const { coolDownMs } = this.#options;
        this.#openedAt = Date.now();
        const error = this.#lastError;
        return this.#emit({ type: "circuit-opened", procedure, coolDownMs, error });
      }
      case CircuitState.HalfOpen:
        return this.#emit({ type: "circuit-half-opened", procedure });
      case CircuitState.Closed:
        return this.#emit({ type: "circuit-closed", procedure });
    }
  }

  #circuitOpen(remainingCoolDownMs: number): RpcError {
    const details: CircuitOpenDetails = { remainingCoolDownMs };
    const state = remainingCoolDownMs === 0
      ? "a probe is under way"
      : `the next probe may go in ${remainingCoolDownMs} ms`;
    return new RpcError(
      "circuit-open",
      `Cannot call "${this.#procedure}" as too many calls of it have failed: ${state}`,
      { details, cause: this.#lastError },
    );
  }
}

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} If a number is out of its bounds.
 */
export function resolveBreakerOptions(options: BreakerOptions): Required<BreakerOptions> {
  const { failureRatio = 0.5, windowCalls = 20, coolDownMs = 10_000, probes = 1 } = options;
  const { minCalls = Math.min(5, windowCalls) } = options;
  checkNumber("break circuits", { failureRatio }, { above: 0, below: 1 });
  checkInteger("break circuits", { windowCalls, coolDownMs, probes }, { min: 1 });
  checkInteger("break circuits", { minCalls }, { min: 1, max: windowCalls });
  return { failureRatio, windowCalls, minCalls, coolDownMs, probes };
}
