/** Spans of handlers in workers. @module */

import type { CallContext } from "../../contract.ts";
import {
  type Context,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "../../deps/opentelemetry_api.ts";
import { codeLabel } from "../metrics/procedure_labels.ts";
import { callTracer } from "./call_metrics.ts";
import { readTraceHeaders } from "./trace_headers.ts";

/**
 * Puts a span of the kind INTERNAL around a function of a worker file, under the span of its request:
 * what the function calls, as `fetch()`, is below it. The server needs `instrumentRequests()`.
 *
 * @typeParam Input What the function takes.
 * @typeParam Item What its stream consists of.
 * @param handler A generator, or another function that gives a stream: its span ends with the stream.
 * @returns The function with a span around it.
 */
export function instrumentHandler<Input, Item>(
  handler: (input: Input, context: CallContext) => AsyncIterable<Item> | Generator<Item>,
): (input: Input, context: CallContext) => AsyncIterable<Item>;
/**
 * Puts a span of the kind INTERNAL around a function of a worker file, under the span of its request:
 * what the function calls, as `fetch()`, is below it. The server needs `instrumentRequests()`.
 *
 * @typeParam Input What the function takes.
 * @typeParam Output What it gives.
 * @param handler The function.
 * @returns The function with a span around it.
 *
 * @example A worker file (not run, as it is for workers only)
 * ```ts ignore
 * import { expose } from "@warren/rpc/workers/runtime";
 * import { instrumentHandler } from "@warren/rpc/otel";
 *
 * expose({ square: instrumentHandler((n: number) => n * n) });
 * ```
 */
export function instrumentHandler<Input, Output>(
  handler: (input: Input, context: CallContext) => Output | Promise<Output>,
): (input: Input, context: CallContext) => Promise<Output>;
export function instrumentHandler(
  handler: (input: never, context: CallContext) => unknown,
): (input: never, context: CallContext) => unknown {
  return (input, call) => {
    const parent = readTraceHeaders(call.headers);
    const span = callTracer()
      .startSpan(`run ${call.procedure}`, { kind: SpanKind.INTERNAL }, parent);
    const inner = trace.setSpan(parent, span);
    try {
      const output = context.with(inner, () => handler(input, call));
      return isStream(output) ? new TracedItems(output, span, inner) : settle(output, span);
    } catch (error) {
      return settle(Promise.reject(error), span);
    }
  };
}

/** Ends a span with what a handler gives. */
async function settle(output: unknown, span: Span): Promise<unknown> {
  try {
    return await output;
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.end();
  }
}

function fail(span: Span, error: unknown): void {
  const code = codeLabel(error instanceof Error && "code" in error ? error.code : undefined);
  span.setAttribute("error.type", code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
}

/** What a handler streams: generators, `ReadableStream`s and the like, but no arrays. */
function isStream(output: unknown): output is AsyncIterable<unknown> | Iterator<unknown> {
  if (typeof output !== "object" || output === null) return false;
  return Symbol.asyncIterator in output || ("next" in output && Symbol.iterator in output);
}

/** The items of a stream: each is made below its span, which ends with the last, or with its reader. */
class TracedItems implements AsyncIterableIterator<unknown> {
  readonly #items: AsyncIterator<unknown> | Iterator<unknown>;
  readonly #span: Span;
  readonly #context: Context;

  constructor(items: AsyncIterable<unknown> | Iterator<unknown>, span: Span, inner: Context) {
    this.#items = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items;
    this.#span = span;
    this.#context = inner;
  }

  async next(): Promise<IteratorResult<unknown>> {
    try {
      const result = await context.with(this.#context, () => this.#items.next());
      if (result.done) this.#span.end();
      return result;
    } catch (error) {
      fail(this.#span, error);
      this.#span.end();
      throw error;
    }
  }

  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    try {
      await context.with(this.#context, () => this.#items.return?.());
      return { done: true, value };
    } finally {
      this.#span.end();
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
