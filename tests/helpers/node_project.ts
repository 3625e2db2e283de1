/** A project of a user of Node or Bun, who has this package from a tarball. @module */

import { buildNpmPackage } from "../../tools/npm/npm_package.ts";
import { type Child, type ChildOptions, startProgram } from "./child.ts";

/** What the programs run on, from npm, so that no machine needs them. */
const RUNTIMES = ["node@24.21.0", "bun@1.4.5", "typescript@6"];

/** A runtime that the package is tried on. */
export type NodeRuntime = "node" | "bun";

/** Why there can be no project, if so. */
export function whyNoNodeProject(): string | undefined {
  try {
    const { success } = new Deno.Command("npm", {
      args: ["view", RUNTIMES[0] ?? "", "version"],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success ? undefined : "npm's registry does not answer";
  } catch {
    return "npm is missing";
  }
}

/** A folder with the package, Node, Bun and the compiler installed. */
export class NodeProject implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<NodeProject> {
    const project = new NodeProject(await Deno.makeTempDir({ prefix: "warren-node-" }));
    await buildNpmPackage(`${project.folder}/package.tgz`);
    await project.write("package.json", '{ "type": "module", "private": true }');
    const flags = ["--no-audit", "--no-fund", "--loglevel=error"];
    await project.run("npm", "install", ...flags, "./package.tgz", ...RUNTIMES);
    return project;
  }

  /** Writes a file. */
  write(name: string, text: string): Promise<void> {
    return Deno.writeTextFile(`${this.folder}/${name}`, text);
  }

  /** Where a program of an installed package is. */
  bin(name: string): string {
    return `${this.folder}/node_modules/.bin/${name}`;
  }

  /** Starts a program on one of the runtimes. */
  start(runtime: NodeRuntime, args: readonly string[], options: ChildOptions = {}): Child {
    return startProgram([this.bin(runtime), ...args], { cwd: this.folder, ...options });
  }

  /** Runs a program to its end, and gives what it printed. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      cwd: this.folder,
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    const text = decoder.decode(stdout);
    if (!success) throw new Error(`"${program} ${args}" fails: ${text}${decoder.decode(stderr)}`);
    return text;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.folder, { recursive: true });
  }
}
