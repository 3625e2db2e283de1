import { assertInstanceOf } from "../../../../deps/std_assert.ts";
import { RpcError, RpcRemoteError } from "../../../../errors.ts";
import type { CallOptions, ResilienceEvent } from "../../../../extras/resilience/resilience.ts";
import type { Caller } from "../../../../caller.ts";

/** What an attempt comes to: an output, an error, or nothing until the test says so. */
export type Answer = { readonly output: unknown } | { readonly error: unknown } | "pending";

/** An attempt that the fake has seen. */
export interface Attempt {
  readonly procedure: string;
  readonly input: unknown;
  readonly options: CallOptions;
  readonly at: number;
  /** Ends an attempt that is pending. */
  readonly settle: (answer: Exclude<Answer, "pending">) => void;
}

/** A caller whose answers the test writes down beforehand; after the last, it is repeated. */
export class FakeCaller implements Pick<Caller, "call"> {
  readonly attempts: Attempt[] = [];
  answers: Answer[];

  /** Makes a caller that answers so. */
  constructor(...answers: Answer[]) {
    this.answers = answers;
  }

  /** Answers, and rejects at once if the signal aborts, as a client does. */
  call(procedure: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const { signal } = options;
    const abort = () => settle({ error: signal?.reason });
    const settle = (answer: Exclude<Answer, "pending">) => {
      signal?.removeEventListener("abort", abort);
      if ("output" in answer) resolve(answer.output);
      else reject(answer.error);
    };
    signal?.addEventListener("abort", abort);
    this.attempts.push({ procedure, input, options, at: Date.now(), settle });
    const answer = this.answers[Math.min(this.attempts.length, this.answers.length) - 1];
    if (answer !== undefined && answer !== "pending") settle(answer);
    return promise;
  }
}

/** An answer of the client itself, with a code. */
export function failure(code: string): { readonly error: RpcError } {
  return { error: new RpcError(code, `Cannot call as ${code}`) };
}

/** An error reply. */
export function remoteFailure(
  code: string,
  retryable: boolean,
): { readonly error: RpcRemoteError } {
  const description = { name: "Error", message: "It failed", code, retryable };
  return { error: new RpcRemoteError("add", description) };
}

/** The code of what a call rejected with; fails if it did not. */
export function codeOf(error: unknown): string {
  assertInstanceOf(error, RpcError);
  return error.code;
}

/** The types of events, in order. */
export function typesOf(events: readonly ResilienceEvent[]): string[] {
  return events.map(({ type }) => type);
}

/** A signal that counts its listeners. */
export class CountingSignal {
  readonly controller: AbortController = new AbortController();
  listeners = 0;

  /** Wraps the signal's two methods. */
  constructor() {
    const { signal } = this.controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    const known = new Set<unknown>();
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      known.add(args[1]);
      this.listeners = known.size;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      known.delete(args[1]);
      this.listeners = known.size;
      remove(...args);
    };
  }
}
