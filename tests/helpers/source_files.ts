/** The modules of this repository and what they import, for tests of its architecture. @module */

/** The root of the repository. */
export const ROOT: URL = new URL("../../", import.meta.url);

/** The pages of the documentation, relative to the root, in the order of their names. */
export const docPages: readonly string[] = [
  "README.md",
  ...[...Deno.readDirSync(new URL("docs/", ROOT))].map(({ name }) => `docs/${name}`)
    .filter((path) => path.endsWith(".md")),
].sort();

/** Folders whose modules are no part of what users import. */
const OUTSIDE_REGEXP = /^(tests|bench|chaos|examples|tools)\//;

/** Paths of all TypeScript modules, relative to the root. */
export const modulePaths: readonly string[] = [...pathsIn("")].sort();

/** Paths of the modules that users import, directly or not. */
export const sourcePaths: readonly string[] = modulePaths.filter((path) =>
  !OUTSIDE_REGEXP.test(path)
);

/** The same without the embedded broker and the packages of others. */
export const productPaths: readonly string[] = sourcePaths.filter((path) =>
  !/^(testing|deps)\//.test(path)
);

function* pathsIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    const path = `${folder}${name}`;
    if (isDirectory && !name.startsWith(".") && name !== "node_modules") yield* pathsIn(`${path}/`);
    else if (name.endsWith(".ts")) yield path;
  }
}

/** The text of a module. */
export function textOf(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier?: string };
    readonly type?: { readonly specifier?: string };
  }[];
}

/** Who imports whom: paths of modules, and the specifiers of outside packages as they stand. */
export class ImportGraph {
  readonly #imports: ReadonlyMap<string, readonly string[]>;

  private constructor(imports: ReadonlyMap<string, readonly string[]>) {
    this.#imports = imports;
  }

  /** Asks Deno, which need not reach any registry for it. */
  static async load(): Promise<ImportGraph> {
    const entry = await Deno.makeTempFile({ suffix: ".ts" });
    const lines = modulePaths.map((path) => `import type {} from "${new URL(path, ROOT)}";\n`);
    await Deno.writeTextFile(entry, lines.join(""));
    const args = ["info", "--json", "--no-remote", "--no-npm", "--no-config", entry];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
    await Deno.remove(entry);
    const { modules }: { modules: ModuleInfo[] } = JSON.parse(new TextDecoder().decode(stdout));
    return new ImportGraph(
      new Map(modules.map((module) => [pathOf(module.specifier), importsOf(module)])),
    );
  }

  /** What a module imports, type-only imports included. */
  importsOf(path: string): readonly string[] {
    return this.#imports.get(path) ?? [];
  }

  /** All that a module needs, directly or not, without itself. */
  closureOf(path: string): ReadonlySet<string> {
    const found = new Set<string>();
    const todo = [path];
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      for (const imported of this.importsOf(next)) {
        if (found.has(imported)) continue;
        found.add(imported);
        todo.push(imported);
      }
    }
    return found;
  }
}

function importsOf({ dependencies = [] }: ModuleInfo): string[] {
  return dependencies.map(({ code, type, specifier }) => {
    return pathOf(code?.specifier ?? type?.specifier ?? specifier);
  });
}

function pathOf(specifier: string): string {
  return specifier.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : specifier;
}
