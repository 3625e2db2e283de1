/** Which packages of npm have newer versions. @module */

/** A package of npm that a file of deps/ imports. */
export interface Dependency {
  readonly name: string;
  /** The versions that will do, as the file says. */
  readonly asked: string;
}

const NPM_REGEXP = /"npm:((?:@[\w-]+\/)?[\w-]+)@(\^?[\d.]+)[^"]*"/g;
/** A row of `deno outdated`. */
const ROW_REGEXP = /^│ npm:(\S+) +│ (\S+) +│ \S+ +│ (\S+) +│$/gm;

/** Reads all packages that the files of a folder import. */
export async function readDependencies(folder: URL): Promise<Dependency[]> {
  const found = new Map<string, Dependency>();
  for await (const { name: file } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(file, folder));
    for (const [, name = "", asked = ""] of text.matchAll(NPM_REGEXP)) {
      found.set(name, { name, asked });
    }
  }
  return [...found.values()].sort((one, other) => one.name < other.name ? -1 : 1);
}

/** Asks the registry, as Deno does. */
export async function newerVersions(
  dependencies: readonly Dependency[],
): Promise<(Dependency & { readonly latest: string })[]> {
  const folder = await Deno.makeTempDir();
  try {
    const imports = Object.fromEntries(dependencies.map(({ name, asked }) => {
      return [name, `npm:${name}@${asked}`];
    }));
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports }));
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["outdated", "--latest"],
      cwd: folder,
      env: { NO_COLOR: "1" },
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("Cannot tell what is newer as the registry does not answer");
    return parseOutdated(new TextDecoder().decode(stdout), dependencies);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Reads what `deno outdated` prints. */
export function parseOutdated(
  output: string,
  dependencies: readonly Dependency[],
): (Dependency & { readonly latest: string })[] {
  const latest = new Map(
    [...output.matchAll(ROW_REGEXP)].map(([, name = "", , version = ""]) => [name, version]),
  );
  return dependencies.flatMap((dependency) => {
    const version = latest.get(dependency.name);
    return version === undefined ? [] : [{ ...dependency, latest: version }];
  });
}
