/**
 * Encodes what a handler gave or threw, in a server's own thread and in workers alike.
 *
 * @module
 */

import { type Body, bytesCodec, type Codec, codecOf, jsonCodec } from "../../codec.ts";
import { RpcError, RpcRemoteError } from "../../errors.ts";
import { describeError, readErrorDescription } from "../error_description.ts";
import { toPrintable } from "../text.ts";
import type { EncodedItem, EncodedReply } from "../encoded_reply.ts";
import { takeBytes } from "./bytes.ts";

/** Where a value comes from, and the codec of its caller. */
export interface ValueSource {
  readonly procedure: string;
  readonly codec: Codec;
}

/**
 * Encodes what a handler returned.
 *
 * @throws {RpcError} `unencodable`, if the codec cannot carry it.
 */
export function encodeOutput(output: unknown, procedure: string, codec: Codec): EncodedReply {
  const chosen = codecOf(output, codec);
  const body = encodeBody(output, procedure, chosen);
  return { type: "output", body, contentType: chosen.contentType };
}

/**
 * Encodes an item of a stream, or progress.
 *
 * @throws {RpcError} `unencodable`, if the codec cannot carry it.
 */
export function encodeItem(
  item: unknown,
  seq: number,
  { procedure, codec }: ValueSource,
): EncodedItem {
  const chosen = codecOf(item, codec);
  return { seq, body: encodeBody(item, procedure, chosen), contentType: chosen.contentType };
}

/** Bytes come out in a buffer of their own: the handler or its codec may use its again. */
function encodeBody(value: unknown, procedure: string, codec: Codec): Body {
  let body: unknown;
  try {
    if (codec === bytesCodec && value instanceof Uint8Array) return takeBytes(value);
    body = codec.encode(value);
  } catch (error) {
    if (error instanceof RpcError && error.code !== "unencodable") throw error;
    const reason = error instanceof Error ? error.message : String(error);
    // The codecs of this package name themselves, and the place.
    const how = error instanceof RpcError ? "" : ` as ${codec.contentType}`;
    throw unencodable({ procedure, how }, reason, error);
  }
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return new Uint8Array(body);
  const reason = `its codec gave ${typeof body}, not text or bytes`;
  throw unencodable({ procedure, how: ` as ${codec.contentType}` }, reason, undefined);
}

function unencodable(
  { procedure, how }: { readonly procedure: string; readonly how: string },
  reason: string,
  cause: unknown,
): RpcError {
  return new RpcError(
    "unencodable",
    `Cannot encode the output of "${procedure}"${how}: ${reason}`,
    { cause },
  );
}

/**
 * Encodes what stopped a request as an error reply. Details that cannot be encoded are left out, and
 * then the message says so.
 *
 * @param thrown What a handler threw, or why it was not run.
 * @param options Whether to include the stack.
 */
export function encodeError(
  thrown: unknown,
  options: { readonly includeStack?: boolean } = {},
): EncodedReply {
  const description = describeError(thrown, options);
  const { contentType } = jsonCodec;
  try {
    return { type: "error", body: jsonCodec.encode(description), contentType, thrown };
  } catch {
    const { details: _, ...rest } = description;
    const message = `${rest.message} (its details cannot be encoded)`;
    return { type: "error", body: jsonCodec.encode({ ...rest, message }), contentType, thrown };
  }
}

/** The longest report of an error. */
const MAX_REPORT_CHARS = 16_384;

/** How many causes of causes it tells. */
const MAX_REPORT_DEPTH = 8;

/** Writes what there is to know of an error: its stack, and those of its causes. */
export function reportError(thrown: unknown): string {
  try {
    return report(thrown, 0).slice(0, MAX_REPORT_CHARS);
  } catch {
    return "An error was thrown that cannot be shown";
  }
}

function report(thrown: unknown, depth: number): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { stack, cause } = thrown;
  const text = stack ?? `${thrown.name}: ${thrown.message}`;
  if (depth === MAX_REPORT_DEPTH) return text;
  const causes = thrown instanceof AggregateError ? thrown.errors.slice(0, MAX_REPORT_DEPTH) : [];
  if (cause !== undefined) causes.unshift(cause);
  return [text, ...causes.map((cause) => report(cause, depth + 1))].join("\nCaused by: ");
}

/**
 * What was thrown, for whoever keeps the server: as it is, or what is known of it if that was in
 * another thread or process; `remoteStack` has its stack and causes then.
 */
export function readThrown(
  { thrown, report, body }: EncodedReply,
  procedure: string | undefined,
): unknown {
  if (report === undefined) return thrown;
  const description = readErrorDescription(jsonCodec.decode(body));
  const stack = toPrintable(report, { lines: true });
  return new RpcRemoteError(procedure ?? "", { ...description, stack });
}
