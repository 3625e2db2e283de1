// A worker file: search.ts starts it in a pool, to look through one file at a time.
import { expose } from "../workers/runtime.ts";

/** Where a word stands. */
export interface Find {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

async function search({ path, word }: { path: string; word: string }): Promise<Find[]> {
  const lines = (await Deno.readTextFile(path)).split("\n");
  const pattern = new RegExp(`\\b${RegExp.escape(word)}\\b`, "i");
  return lines.flatMap((text, index) => {
    return pattern.test(text) ? [{ path, line: index + 1, text: text.trim() }] : [];
  });
}

/** What the client's compiler needs to know. */
export type SearchContract = { readonly search: typeof search };

expose({ search });
