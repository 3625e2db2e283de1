/**
 * What a task came to, encoded inside the worker.
 *
 * @module
 */

import { type Body, codecFor, jsonCodec } from "../codec.ts";
import { describeError, type ErrorDescription, RpcError } from "../errors.ts";
import type { ReplyMessage, RunMessage } from "./protocol.ts";

/** What a task came to, ready to be posted. */
export interface TaskResult {
  readonly type: ReplyMessage["type"];
  readonly body: Body;
  readonly contentType: string;
  readonly transfer?: ArrayBuffer;
}

/** From this size on, bytes that move are cheaper for the pool's thread than a string's clone. */
const TRANSFER_FROM_CHARS = 8_192;
const utf8 = new TextEncoder();

/**
 * Encodes what a handler returned.
 *
 * @throws {RpcError} `unencodable`, if the codec of the request cannot carry it.
 */
export function encodeOutput(output: unknown, task: RunMessage): TaskResult {
  // An unknown content type has been refused before the handler ran.
  const codec = codecFor(task.contentType) ?? jsonCodec;
  try {
    return pack("output", codec.encode(output), codec.contentType);
  } catch (error) {
    if (error instanceof RpcError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RpcError(
      "unencodable",
      `Cannot encode the output of "${task.procedure}" as ${codec.contentType}: ${reason}`,
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
    return pack("error", jsonCodec.encode(description), jsonCodec.contentType);
  } catch {
    const { name, message, code } = description;
    const lean = {
      name: String(name),
      message: `${String(message)} (its details cannot be encoded)`,
      code,
    };
    return pack("error", jsonCodec.encode(lean), jsonCodec.contentType);
  }
}

function pack(type: ReplyMessage["type"], body: Body, contentType: string): TaskResult {
  if (typeof body === "string" && body.length < TRANSFER_FROM_CHARS) {
    return { type, body, contentType };
  }
  const bytes = typeof body === "string" ? utf8.encode(body) : new Uint8Array(body);
  return { type, body: bytes, contentType, transfer: bytes.buffer };
}
