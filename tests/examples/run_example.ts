/** Examples as programs, with just the permissions that their first lines ask for. @module */

import { deleteQueue, randomQueue } from "../helpers/broker.ts";
import { type Child, type ChildResult, startProgram } from "../helpers/child.ts";

const ROOT = new URL("../../", import.meta.url);

/** Debian's Python comes first, as python3-pika is for no other. */
const PATH = `/usr/bin:${Deno.env.get("PATH")}`;

/** Starts an example, to be read line by line. */
export async function startExample(name: string, args: readonly string[]): Promise<Child> {
  const { command } = await commandOf(name);
  return startProgram([Deno.execPath(), ...command, ...args], { cwd: ROOT.pathname });
}

/** Runs an example to its end. */
export async function runExample(name: string, args: readonly string[]): Promise<ChildResult> {
  const { command, env } = await commandOf(name);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...command, ...args],
    cwd: ROOT,
    env: { PATH, NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Examples with two queues put these behind the name of the first. */
const ENDINGS = ["", ".prices", ".words", ".quick", ".0", ".1"];

/** A queue name of this test's own; disposing of it deletes the queue. */
export class ExampleQueue implements AsyncDisposable {
  readonly name: string = randomQueue();

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ending of ENDINGS) await deleteQueue(`${this.name}${ending}`);
  }
}

interface ExampleCommand {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Reads an example's first line: `// [VARIABLE=value …] deno run|test <flags> examples/<name> …`. */
async function commandOf(name: string): Promise<ExampleCommand> {
  const text = await Deno.readTextFile(new URL(`examples/${name}`, ROOT));
  const [, variables, verb, flags] =
    /^\/\/ ((?:\w+=\S+ )*)deno (run|test) (.*) examples\//.exec(text) ?? [];
  if (variables === undefined || verb === undefined || flags === undefined) {
    throw new Error(`Cannot run ${name} as its first line says no command`);
  }
  const command = [verb, "--quiet", "--no-prompt", ...flags.split(" "), `examples/${name}`];
  const pairs = variables.trim().split(" ").map((pair) => pair.split("="));
  return { command, env: variables === "" ? {} : Object.fromEntries(pairs) };
}
