/**
 * What a task came to, encoded inside the worker.
 *
 * @module
 */

import { type Body, bytesCodec, type Codec, codecOf, jsonCodec } from "../../codec.ts";
import { describeError, type ErrorDescription, RpcError } from "../../errors.ts";
import { takeBytes } from "../wire/given_bytes.ts";
import type { ReplyMessage } from "../wire/protocol.ts";

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

/** From this size on, bytes that move are cheaper for the pool's thread than what is cloned. */
const TRANSFER_FROM = 8_192;
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
  const chosen = codecOf(value, codec);
  const { contentType } = chosen;
  if (chosen === bytesCodec && value instanceof Uint8Array) {
    return packBytes(takeBytes(value), contentType);
  }
  try {
    return pack(chosen.encode(value), contentType);
  } catch (error) {
    if (error instanceof RpcError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RpcError(
      "unencodable",
      `Cannot encode the output of "${procedure}" as ${contentType}: ${reason}`,
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
  if (typeof body !== "string") return packBytes(new Uint8Array(body), contentType);
  if (body.length < TRANSFER_FROM) return { body, contentType };
  return packBytes(utf8.encode(body), contentType);
}

function packBytes(body: Uint8Array<ArrayBuffer>, contentType: string): EncodedValue {
  if (body.length < TRANSFER_FROM) return { body, contentType };
  return { body, contentType, transfer: body.buffer };
}
