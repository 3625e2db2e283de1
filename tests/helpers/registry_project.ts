/** A project of a user who has this package from a registry. @module */

import { dirname } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { type JsrPackage, startJsrServer } from "../../tools/tasks/jsr_server.ts";
import { type Child, startProgram } from "./child.ts";

const ROOT = new URL("../../", import.meta.url);
const LOOPBACK = "127.0.0.1,localhost";

/** How a command of Deno's has ended. */
export interface DenoResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An empty folder with an empty cache, and a registry that has this package. */
export interface RegistryProject extends AsyncDisposable {
  /** The folder, without a slash at the end. */
  readonly folder: string;
  /** Writes a file. */
  write(name: string, text: string): Promise<void>;
  /** Runs `deno` in the folder, as long as a command may take. */
  deno(...args: readonly string[]): Promise<DenoResult>;
  /** Starts `deno` in the folder, to be read line by line. */
  start(...args: readonly string[]): Child;
  /** Runs a command as it is typed, with the `deno` that runs the tests. */
  shell(command: string): Promise<DenoResult>;
  /** Starts a command as it is typed. */
  startShell(command: string): Child;
  /** Takes the registry away. */
  goOffline(): Promise<void>;
}

/**
 * Starts a registry and makes a folder for a program that imports from it.
 *
 * @param settings What its deno.json holds beside the imports.
 * @param more Variables for its programs.
 */
export async function startRegistryProject(
  settings: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, string>> = {},
): Promise<RegistryProject> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "warren-jsr-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const registry = stack.use(await startJsrServer([await thisPackage()]));
  await Deno.mkdir(`${folder}/.cache`);
  // Packages of npm come from the cache that there is.
  await Deno.symlink(await npmCache(), `${folder}/.cache/npm`);
  const imports = { "@warren/rpc": `jsr:@warren/rpc@^${config.version}` };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports, ...settings }));
  const env = {
    ...more,
    DENO_DIR: `${folder}/.cache`,
    JSR_URL: registry.url,
    NO_COLOR: "1",
    NO_PROXY: LOOPBACK,
    ["no_proxy"]: LOOPBACK,
  };
  const owned = stack.move();
  const program = Deno.execPath();
  const path = `${folder}/bin:${dirname(program)}:${Deno.env.get("PATH") ?? ""}`;
  const shellEnv = { ...env, PATH: path };
  return {
    folder,
    write: (name, text) => Deno.writeTextFile(`${folder}/${name}`, text),
    deno: (...args) => run([program, ...args], { cwd: folder, env }),
    start: (...args) => startProgram([program, ...args], { cwd: folder, env }),
    shell: (command) => run(["sh", "-c", command], { cwd: folder, env: shellEnv }),
    // The program takes the place of the shell, and gets its signals.
    startShell: (command) =>
      startProgram(["sh", "-c", `exec ${command}`], { cwd: folder, env: shellEnv }),
    goOffline: async () => await registry[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Runs a program to its end, as long as a command may take. */
async function run(
  [program = "", ...args]: readonly string[],
  options: Pick<Deno.CommandOptions, "cwd" | "env">,
): Promise<DenoResult> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    ...options,
    args,
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** What `deno publish` would publish. */
async function thisPackage(): Promise<JsrPackage> {
  const { name, version, exports, publish } = config;
  const paths = (await Promise.all(publish.include.map(filesIn))).flat();
  const published = paths.filter((path) => !publish.exclude.includes(path));
  const files = new Map<string, string>();
  for (const path of published) files.set(path, await Deno.readTextFile(new URL(path, ROOT)));
  return { name, version, exports, files };
}

async function filesIn(path: string): Promise<string[]> {
  if (!path.endsWith("/")) return [path];
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(path, ROOT))) {
    paths.push(...await filesIn(`${path}${name}${isDirectory ? "/" : ""}`));
  }
  return paths;
}

async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const info: { readonly npmCache: string } = JSON.parse(new TextDecoder().decode(stdout));
  return info.npmCache;
}
