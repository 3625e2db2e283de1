/** The package as npm has it: what `deno pack` makes of it, mended for Node and Bun. @module */

import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../tasks/root.ts";

/** The oldest versions that have `import.meta.main` and all that the code needs. */
const ENGINES = { node: ">=24.2.0", bun: ">=1.4.0" };

/** The program that `npx @warren/rpc` runs. */
const BROKER_PROGRAM = "testing/main.js";

const KEYWORDS = ["rabbitmq", "amqp", "rpc", "worker-pool", "typed", "test-broker"];

/**
 * Makes a tarball that `npm install` takes.
 *
 * @param file Where it is written.
 */
export async function buildNpmPackage(file: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "warren-npm-" });
  try {
    const packed = `${folder}/packed.tgz`;
    await run(Deno.execPath(), "pack", "--allow-dirty", "--no-source-maps", "--output", packed);
    await run("tar", "-xzf", packed, "-C", folder);
    await mend(`${folder}/package`);
    await run("tar", "-czf", file, "-C", folder, "package");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function mend(folder: string): Promise<void> {
  const manifestFile = `${folder}/package.json`;
  const manifest: Readonly<Record<string, unknown>> = JSON.parse(
    await Deno.readTextFile(manifestFile),
  );
  const { description } = config;
  const mended = {
    ...manifest,
    description,
    keywords: KEYWORDS,
    bin: { "warren-broker": BROKER_PROGRAM },
    engines: ENGINES,
    dependencies: await dependencies(),
  };
  await Deno.writeTextFile(manifestFile, `${JSON.stringify(mended, undefined, 2)}\n`);
  const program = `${folder}/${BROKER_PROGRAM}`;
  await Deno.writeTextFile(
    program,
    `#!/usr/bin/env node\n${await Deno.readTextFile(program)}`,
  );
}

/** The packages of npm that the published files of `deps/` import, with the ranges that stand there. */
async function dependencies(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name } of Deno.readDir(new URL("deps/", ROOT))) {
    if (config.publish.exclude.includes(`deps/${name}`)) continue;
    const text = await Deno.readTextFile(new URL(`deps/${name}`, ROOT));
    for (const [, dependency = "", range = ""] of text.matchAll(/"npm:(@?[^@"]+)@([^"/]+)/g)) {
      found[dependency] = range;
    }
  }
  return Object.fromEntries(Object.entries(found).toSorted());
}

async function run(program: string, ...args: string[]): Promise<void> {
  const command = new Deno.Command(program, { args, cwd: ROOT, stdout: "null", stderr: "piped" });
  const { success, stderr } = await command.output();
  if (success) return;
  throw new Error(`Cannot make the npm package: ${new TextDecoder().decode(stderr)}`);
}
