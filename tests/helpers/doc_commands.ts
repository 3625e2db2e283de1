/** The commands of README and docs, as their readers type them. @module */

import { docPages, ROOT } from "./source_files.ts";

const SHELL_REGEXP = /^```sh\n(.*?)^```/gms;

/** A command as a page has it, without its comment. */
export interface DocCommand {
  readonly page: string;
  readonly command: string;
}

/** All commands of README.md and docs/, in the order of their pages. */
export async function docCommands(): Promise<DocCommand[]> {
  return (await Promise.all(docPages.map(commandsOf))).flat();
}

async function commandsOf(page: string): Promise<DocCommand[]> {
  const text = await Deno.readTextFile(new URL(page, ROOT));
  return [...text.matchAll(SHELL_REGEXP)].flatMap(([, block = ""]) =>
    block.replaceAll(/\s*\\\n\s*/g, " ").split("\n")
      .map((line) => line.replace(/\s+#.*$/, ""))
      .filter((command) => command !== "")
      .map((command) => ({ page, command }))
  );
}

/** The one command of a page that begins so. */
export async function commandOf(page: string, beginning: string): Promise<string> {
  const found = (await commandsOf(page)).filter(({ command }) => command.startsWith(beginning));
  const [first] = found;
  if (first !== undefined && found.length === 1) return first.command;
  throw new Error(`Cannot take "${beginning}" of ${page} as it stands there ${found.length} times`);
}

/** The words of a command after its first one, as a shell takes them apart. */
export async function argumentsOf(command: string): Promise<string[]> {
  const [program = ""] = command.split(" ", 1);
  const script = `${program}() { printf '%s\\0' "$@"; }\n${command}`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}
