/**
 * What a task came to, encoded inside the worker.
 *
 * @module
 */

import { type Body, type Codec, jsonCodec } from "../codec.ts";
import { describeError, type ErrorDescription, RpcError } from "../errors.ts";
import type { ReplyMessage } from "./protocol.ts";

/** A value, ready to be posted. */
export interface EncodedValue {
  readonly body: Body;
  readonly contentType: string;
  readonly transfer?: ArrayBuffer;
}

/** What a task came to, ready to be posted. */
export interface TaskResult extends EncodedValue {
  readonly type: ReplyMessage["type"];
}

/** From this size on, bytes that move are cheaper for the pool's thread than a string's clone. */
const TRANSFER_FROM_CHARS = 8_192;
const utf8 = new TextEncoder();

/** Encodes what a handler returned. */
export function encodeOutput(output: unknown, procedure: string, codec: Codec): TaskResult {
  return { type: "output", ...encodeValue(output, procedure, codec) };
}

/**
 * Encodes what a procedure gave, with the codec of its request.
 *
 * @throws {RpcError} `unencodable`, if the codec cannot carry it.
 */
export function encodeValue(value: unknown, procedure: string, codec: Codec): EncodedValue {
  try {
    return pack(codec.encode(value), codec.contentType);
  } catch (error) {
    if (error instanceof RpcError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RpcError(
      "unencodable",
      `Cannot encode the output of "${procedure}" as ${codec.contentType}: ${reason}`,
      { cause: error },
    );
  }
}

/** Encodes what a handler threw; without what cannot be encoded, and then the message says so. */
export function encodeError(thrown: unknown): TaskResult {
  let description: ErrorDescription = {
    name: "Error",
    message: "The handler threw an error that cannot be described",
    code: "handler-error",
  };
  try {
    description = describeError(thrown);
    return packError(description);
  } catch {
    const { name, message, code } = description;
    const lean = {
      name: String(name),
      message: `${String(message)} (its details cannot be encoded)`,
      code,
    };
    return packError(lean);
  }
}

function packError(description: ErrorDescription): TaskResult {
  return { type: "error", ...pack(jsonCodec.encode(description), jsonCodec.contentType) };
}

function pack(body: Body, contentType: string): EncodedValue {
  if (typeof body === "string" && body.length < TRANSFER_FROM_CHARS) return { body, contentType };
  const bytes = typeof body === "string" ? utf8.encode(body) : new Uint8Array(body);
  return { body: bytes, contentType, transfer: bytes.buffer };
}
