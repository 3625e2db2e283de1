/** Programs after RabbitMQ's tutorial 6, in tests/fixtures/tutorial. @module */

import { type Child, startProgram } from "./child.ts";
import { testUnless } from "./features.ts";

/** The languages that the tutorial is tried in. */
export type Language = "python" | "javascript";

const FOLDER = new URL("../fixtures/tutorial/", import.meta.url);

/** Debian keeps python3-pika for its own Python, which need not be the first on the PATH. */
const PYTHONS = ["/usr/bin/python3", "python3"];
const python = PYTHONS.find(hasPika);

/** The command that runs a program of the tutorial. */
export function tutorialCommand(language: Language, program: string): string[] {
  const path = new URL(program, FOLDER).pathname;
  return language === "python"
    ? [python ?? "python3", `${path}.py`]
    : [Deno.execPath(), "run", "--allow-all", "--quiet", `${path}.js`];
}

/** Starts a server of the tutorial and waits until it serves. */
export async function startTutorialServer(
  language: Language,
  args: readonly string[],
  program = "rpc_server",
): Promise<Child> {
  const server = startProgram(tutorialCommand(language, program), { args });
  await server.line("awaiting RPC requests");
  return server;
}

/** Runs a client of the tutorial to its end and returns what it has printed. */
export async function runTutorialClient(
  language: Language,
  args: readonly string[],
  program = "rpc_client",
): Promise<string> {
  await using client = startProgram(tutorialCommand(language, program), { args });
  return await client.nextLine();
}

/**
 * A test that needs a language. Python's is ignored where pika is missing, and its name says so;
 * it fails all the same where a complete test is required.
 *
 * @param missing What else the test needs and the broker does not have.
 */
export function languageTest(
  language: Language,
  name: string,
  fn: () => Promise<void>,
  missing?: string,
): void {
  const isRequired = Deno.env.get("WARREN_REQUIRE_RABBITMQ") === "1";
  const hasNone = language === "python" && python === undefined && !isRequired;
  Deno.test(testUnless(missing ?? (hasNone ? "python3-pika is missing" : undefined), name, fn));
}

function hasPika(program: string): boolean {
  try {
    const { success } = new Deno.Command(program, { args: ["-c", "import pika"], stderr: "null" })
      .outputSync();
    return success;
  } catch {
    // There is no such program.
    return false;
  }
}
