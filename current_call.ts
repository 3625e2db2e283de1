/**
 * The call that is being served, for whatever its handler calls: a logger, a query, another client.
 * It works in handlers that are functions of a server and in workers alike.
 *
 * @example A log whose every line says which call it belongs to
 * ```ts
 * import { currentCall } from "@warren/rpc/current-call";
 *
 * function log(message: string): void {
 *   const { correlationId, procedure, trace } = currentCall() ?? {};
 *   console.log(JSON.stringify({ message, procedure, correlationId, traceId: trace?.traceId }));
 * }
 * log("outside of any call");
 * ```
 *
 * @module
 */

import type { CallContext, MessageHeaders } from "./contract.ts";
import { callScope } from "./internal/call_scope.ts";

export type { HeaderValue, MessageHeaders } from "./contract.ts";

/** What is known of the call that is being served. */
export interface CurrentCall {
  /** The id that ties the reply to its call, if the request has one. */
  readonly correlationId: string | undefined;
  /** The procedure that was called. */
  readonly procedure: string;
  /** When the caller stops waiting, in Unix milliseconds, if the request says so. */
  readonly deadline: number | undefined;
  /** The headers of the request. */
  readonly headers: MessageHeaders;
  /** The trace that the call is part of, if its header `traceparent` says so. */
  readonly trace: TraceIds | undefined;
}

/** Where a call is in a trace, as the recommendation "Trace Context" of the W3C has it. */
export interface TraceIds {
  /** The trace: 32 hexadecimal digits. */
  readonly traceId: string;
  /** The span that made the call: 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether the caller may have recorded it. */
  readonly isSampled: boolean;
}

/** Version, trace, span and flags; later versions may add something. */
const TRACEPARENT_REGEXP =
  /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-|$)/;

/**
 * Tells which call is being served.
 *
 * @returns The call whose handler has led to here; `undefined` outside of handlers.
 */
export function currentCall(): CurrentCall | undefined {
  const context = callScope.getStore()?.context;
  return context === undefined ? undefined : describe(context);
}

function describe({ correlationId, procedure, deadline, headers }: CallContext): CurrentCall {
  return { correlationId, procedure, deadline, headers, trace: readTrace(headers.traceparent) };
}

function readTrace(value: unknown): TraceIds | undefined {
  const match = typeof value === "string" ? TRACEPARENT_REGEXP.exec(value) : null;
  if (match === null) return undefined;
  const [, traceId = "", spanId = "", flags = ""] = match;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
