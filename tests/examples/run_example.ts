/** Examples as programs, with just the permissions that their first lines ask for. @module */

import { deleteQueue, randomQueue } from "../helpers/broker.ts";
import { type Child, type ChildResult, startProgram } from "../helpers/child.ts";

const ROOT = new URL("../../", import.meta.url);

/** Starts an example, to be read line by line. */
export async function startExample(name: string, args: readonly string[]): Promise<Child> {
  return startProgram([Deno.execPath(), ...await commandOf(name), ...args], { cwd: ROOT.pathname });
}

/** Runs an example to its end. */
export async function runExample(name: string, args: readonly string[]): Promise<ChildResult> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...await commandOf(name), ...args],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A queue name of this test's own; disposing of it deletes the queue. */
export class ExampleQueue implements AsyncDisposable {
  readonly name: string = randomQueue();

  [Symbol.asyncDispose](): Promise<void> {
    return deleteQueue(this.name);
  }
}

/** Reads the command in an example's first line: `// deno run|test <flags> examples/<name>`. */
async function commandOf(name: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(`examples/${name}`, ROOT));
  const [, verb, flags] = /^\/\/ deno (run|test) (.*) examples\//.exec(text) ?? [];
  if (verb === undefined || flags === undefined) {
    throw new Error(`Cannot run ${name} as its first line says no command`);
  }
  return [verb, "--quiet", "--no-prompt", ...flags.split(" "), `examples/${name}`];
}
