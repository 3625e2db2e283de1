/** Traces in the headers of messages. @module */

import type { HeaderValue, MessageHeaders } from "../../contract.ts";
import {
  type Context,
  propagation,
  ROOT_CONTEXT,
  type TextMapGetter,
} from "../../deps/opentelemetry_api.ts";
import { areMessageHeaders, NO_HEADERS, withHeader } from "../../internal/message_headers.ts";

/** A longer header says nothing. Source: the W3C's Baggage has this as its limit. */
const MAX_CHARS = 8_192;

/** Anybody may have sent the headers: what is no text of a fair length is as good as absent. */
const getter: TextMapGetter<MessageHeaders> = {
  keys: (headers) => Object.keys(headers),
  get(headers, name) {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    return typeof value === "string" && value.length <= MAX_CHARS ? value : undefined;
  },
};

/** The trace that a message says to be part of. Nothing of what is active here is in it. */
export function readTraceHeaders(headers: MessageHeaders): Context {
  return propagation.extract(ROOT_CONTEXT, headers, getter);
}

/**
 * Headers that say which trace a message is part of, instead of what they said before. No call fails
 * for its trace: a header that a message cannot carry, as it is none of a user's or too large, is left
 * out.
 *
 * @returns A copy; `headers` itself if this program propagates no traces.
 */
export function withTraceHeaders(headers: MessageHeaders, context: Context): MessageHeaders {
  const fields = propagation.fields();
  if (fields.length === 0) return headers;
  const added: Record<string, string> = {};
  propagation.inject(context, added);
  const rest = without(headers, fields);
  // Most calls have no headers besides.
  const all = rest === NO_HEADERS ? added : { ...rest, ...added };
  return areMessageHeaders(all) ? all : Object.entries(added).reduce(withHeaderIfAllowed, rest);
}

/** An object from which something was deleted is slow ever after: it is copied if that must be. */
function without(headers: MessageHeaders, fields: readonly string[]): MessageHeaders {
  if (headers === NO_HEADERS) return headers;
  const rest: Record<string, HeaderValue> = { ...headers };
  for (const field of fields) if (Object.hasOwn(rest, field)) delete rest[field];
  return rest;
}

function withHeaderIfAllowed(
  headers: MessageHeaders,
  header: readonly [name: string, value: string],
): MessageHeaders {
  try {
    return withHeader("propagate a trace", headers, header);
  } catch {
    return headers;
  }
}
