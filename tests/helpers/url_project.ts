/** A project of a user who imports this repository by URL. @module */

import { type ChildOptions, type ChildResult, runChild } from "./child.ts";

const ROOT = new URL("../../", import.meta.url);

/** An empty folder with an empty deno.json and an empty cache, and this repository over http. */
export interface UrlProject extends AsyncDisposable {
  /** Where the repository is served, with a slash at the end. */
  readonly origin: string;
  /** The paths that were asked for so far. */
  readonly requested: readonly string[];
  /** Writes files, `ORIGIN` in them standing for the repository's URL, and runs the first. */
  run(
    files: Readonly<Record<string, string>>,
    options: Pick<ChildOptions, "args" | "flags">,
  ): Promise<ChildResult>;
}

/** Makes the folder and serves the repository. */
export async function startUrlProject(): Promise<UrlProject> {
  const folder = await Deno.makeTempDir({ prefix: "warren-url-" });
  await Deno.writeTextFile(`${folder}/deno.json`, "{}\n");
  await Deno.mkdir(`${folder}/cache`);
  // Registry packages come from the cache that there is; all else is fetched anew.
  await Deno.symlink(await npmCache(), `${folder}/cache/npm`);
  const requested: string[] = [];
  const server = serveRepository(requested);
  const origin = `http://127.0.0.1:${server.addr.port}/`;
  return {
    origin,
    requested,
    async run(files, options) {
      for (const [name, text] of Object.entries(files)) {
        await Deno.writeTextFile(`${folder}/${name}`, text.replaceAll("ORIGIN/", origin));
      }
      const [main = ""] = Object.keys(files);
      return await runChild(`${folder}/${main}`, {
        ...options,
        env: { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" },
        cwd: folder,
        limitMs: 60_000,
      });
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function serveRepository(requested: string[]): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    requested.push(pathname);
    try {
      const text = await Deno.readTextFile(new URL(`.${pathname}`, ROOT));
      return new Response(text, { headers: { "content-type": "application/typescript" } });
    } catch {
      return new Response(null, { status: 404 });
    }
  });
}

async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const info: { readonly npmCache: string } = JSON.parse(new TextDecoder().decode(stdout));
  return info.npmCache;
}
