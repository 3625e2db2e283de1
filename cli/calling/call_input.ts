/** What procedures are called with: an argument, stdin or a file, and how it travels. @module */

import { type Codec, jsonCodec } from "../../codec.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";

/** How an input travels. Bytes are read as they are, what else is JSON. */
export const CODEC_NAMES = ["json", "msgpack", "bytes"] as const;

/** One of {@linkcode CODEC_NAMES}. */
export type CodecName = typeof CODEC_NAMES[number];

/** What a client encodes with, and what it reads beside that. Bytes need none. */
export const CODECS: Readonly<Record<CodecName, readonly Codec[]>> = {
  json: [jsonCodec, msgpackCodec],
  msgpack: [msgpackCodec],
  bytes: [jsonCodec, msgpackCodec],
};

/**
 * Reads an input: bytes as they are, or JSON with exact integers; of nothing, `undefined`.
 *
 * @throws {CommandError} If it is no JSON, or its file cannot be read.
 */
export async function readCallInput(
  text: string | undefined,
  codec: CodecName = "json",
): Promise<unknown> {
  if (text === undefined) return undefined;
  const bytes = await inputBytes(text);
  if (codec === "bytes") return bytes;
  try {
    return jsonCodec.decode(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(EXIT_CODE.data, `The input is not JSON: ${reason}`);
  }
}

async function inputBytes(text: string): Promise<Uint8Array> {
  if (text === "-") return await new Response(Deno.stdin.readable).bytes();
  if (!text.startsWith("@")) return new TextEncoder().encode(text);
  const path = text.slice(1);
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new CommandError(EXIT_CODE.data, `Cannot read the input as there is no file "${path}"`);
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(EXIT_CODE.data, `Cannot read the input from "${path}" as ${reason}`);
  }
}
