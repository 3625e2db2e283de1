/** The programs of README and docs, run as their readers run them. @module */

import { assertExists } from "../../deps/std_assert.ts";
import { docPages, ROOT } from "./source_files.ts";

const PROGRAM_REGEXP = /^```ts[^\n]*\n(.*?)^```/gms;

/** The broker that programs in docs name. */
const DOCS_URL = "amqp://127.0.0.1";

/** A program as a page has it. */
export interface DocProgram {
  /** Its page and its number there from 1 on, such as `docs/pool.md 2`. */
  readonly id: string;
  readonly code: string;
}

/** All TypeScript programs of README.md and docs/. */
export async function docPrograms(): Promise<DocProgram[]> {
  return (await Promise.all(docPages.map(programsOf))).flat();
}

async function programsOf(path: string): Promise<DocProgram[]> {
  const text = await Deno.readTextFile(new URL(path, ROOT));
  return [...text.matchAll(PROGRAM_REGEXP)].map(([, code = ""], index) => ({
    id: `${path} ${index + 1}`,
    code,
  }));
}

/** The program with that id, with the URL of a broker that there is. */
export function programAt(
  programs: readonly DocProgram[],
  id: string,
  brokerUrl: string = DOCS_URL,
): string {
  const program = programs.find((program) => program.id === id);
  assertExists(program, id);
  return program.code.replaceAll(`"${DOCS_URL}"`, JSON.stringify(brokerUrl));
}
