import { ROOT } from "./root.ts";

/** Lists the modules that the package exports, as deno.json names them. */
export async function entryModules(): Promise<string[]> {
  const config: unknown = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  if (!isRecord(config) || !isRecord(config.exports)) {
    throw new TypeError('Cannot list the entry modules as deno.json has no "exports" object');
  }
  return Object.values(config.exports).filter((path) => typeof path === "string");
}

/**
 * Lists all modules of this project in TypeScript. The programs of the rivals in `bench/rivals/` are
 * none: they are JavaScript for Node, and their packages are there only where they have been run.
 */
export async function typescriptFiles(folder = "./"): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isFile, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    if (name.startsWith(".") || name === "node_modules") continue;
    if (isDirectory) files.push(...await typescriptFiles(`${folder}${name}/`));
    else if (isFile && name.endsWith(".ts")) files.push(`${folder}${name}`);
  }
  return files.sort();
}

/** Lists the Markdown files whose code must compile: those in the root and in docs/. */
export async function markdownFiles(): Promise<string[]> {
  const files: string[] = [];
  for (const folder of ["./", "docs/"].filter(isPath)) {
    for await (const { name, isFile } of Deno.readDir(new URL(folder, ROOT))) {
      if (isFile && name.endsWith(".md")) files.push(`${folder}${name}`);
    }
  }
  return files.sort();
}

/** Tells whether an argument is the path of a file or folder of this project. */
export function isPath(arg: string): boolean {
  try {
    return !arg.startsWith("-") && Deno.statSync(new URL(arg, ROOT)) !== undefined;
  } catch {
    return false;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
