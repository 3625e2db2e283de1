/** Serves the stand-ins of tools/jsr to Deno as a package registry on loopback. @module */

import packages from "../jsr/packages.json" with { type: "json" };

/** A running registry; disposing of it ends it. */
export interface JsrServer extends AsyncDisposable {
  /** What `JSR_URL` must be set to. */
  readonly url: string;
}

/** One package as `tools/jsr/packages.json` describes it. */
interface StandIn {
  readonly version: string;
  readonly folder: string;
  readonly exports: Readonly<Record<string, string>>;
}

/** File contents by path, as text. */
type Site = ReadonlyMap<string, string>;

const STAND_INS: Readonly<Record<string, StandIn>> = packages;
const ROOT = new URL("../jsr/", import.meta.url);

/** Starts the registry on a free port of 127.0.0.1. */
export async function startJsrServer(): Promise<JsrServer> {
  const site = await buildSite();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => answer(site, new URL(request.url).pathname),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function answer(site: Site, path: string): Response {
  const text = site.get(path);
  if (text === undefined) return new Response("Not found\n", { status: 404 });
  const type = path.endsWith(".json") ? "application/json" : "text/typescript";
  return new Response(text, { headers: { "content-type": type } });
}

/** Everything is read once, so that checksums and files cannot part while a task runs. */
async function buildSite(): Promise<Site> {
  const site = new Map<string, string>();
  for (const [name, standIn] of Object.entries(STAND_INS)) {
    await addPackage(site, name, standIn);
  }
  return site;
}

async function addPackage(
  site: Map<string, string>,
  name: string,
  standIn: StandIn,
): Promise<void> {
  const { version, folder, exports } = standIn;
  const [scope, base] = name.slice(1).split("/");
  const manifest: Record<string, { size: number; checksum: string }> = {};
  const url = new URL(`${folder}/`, ROOT);
  for await (const { name: file } of Deno.readDir(url)) {
    const text = await Deno.readTextFile(new URL(file, url));
    site.set(`/${name}/${version}/${file}`, text);
    manifest[`/${file}`] = await manifestEntry(text);
  }
  const meta = { scope, name: base, latest: version, versions: { [version]: {} } };
  site.set(`/${name}/meta.json`, JSON.stringify(meta));
  site.set(`/${name}/${version}_meta.json`, JSON.stringify({ exports, manifest }));
}

async function manifestEntry(text: string): Promise<{ size: number; checksum: string }> {
  const bytes = new TextEncoder().encode(text);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return { size: bytes.length, checksum: `sha256-${digest.toHex()}` };
}
