/** What procedures are called with: JSON as an argument, from stdin, or from a file. @module */

import { type Codec, codecFor, jsonCodec } from "../../codec.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";

/** JSON with exact integers; of nothing, `undefined`. */
export async function readCallInput(text: string | undefined): Promise<unknown> {
  if (text === undefined) return undefined;
  const json = await inputText(text);
  const codec: Codec = codecFor(undefined) ?? jsonCodec;
  try {
    return codec.decode(new TextEncoder().encode(json));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(EXIT_CODE.data, `The input is not JSON: ${reason}`);
  }
}

async function inputText(text: string): Promise<string> {
  if (text === "-") return await new Response(Deno.stdin.readable).text();
  if (!text.startsWith("@")) return text;
  const path = text.slice(1);
  try {
    return await Deno.readTextFile(path);
  } catch {
    throw new CommandError(EXIT_CODE.data, `Cannot read the input as there is no file "${path}"`);
  }
}
