/** Serves packages to Deno as a registry on loopback: the stand-ins of tools/jsr, and others. @module */

import packages from "../jsr/packages.json" with { type: "json" };

/** A running registry; disposing of it ends it. */
export interface JsrServer extends AsyncDisposable {
  /** What `JSR_URL` must be set to. */
  readonly url: string;
}

/** A package to serve. */
export interface JsrPackage {
  /** With its scope, such as `@std/uuid`. */
  readonly name: string;
  readonly version: string;
  /** Paths of modules by entry, as in deno.json. */
  readonly exports: Readonly<Record<string, string>>;
  /** Texts by path, such as `mod.ts`. */
  readonly files: ReadonlyMap<string, string>;
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

/**
 * Starts the registry on a free port of 127.0.0.1.
 *
 * @param packages What it has beside the stand-ins.
 */
export async function startJsrServer(packages: readonly JsrPackage[] = []): Promise<JsrServer> {
  const site = await buildSite(packages);
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
async function buildSite(packages: readonly JsrPackage[]): Promise<Site> {
  const site = new Map<string, string>();
  const standIns = await Promise.all(Object.entries(STAND_INS).map(readStandIn));
  for (const one of [...standIns, ...packages]) await addPackage(site, one);
  return site;
}

async function readStandIn([name, standIn]: [string, StandIn]): Promise<JsrPackage> {
  const { version, folder, exports } = standIn;
  const files = new Map<string, string>();
  const url = new URL(`${folder}/`, ROOT);
  for await (const { name: file } of Deno.readDir(url)) {
    files.set(file, await Deno.readTextFile(new URL(file, url)));
  }
  return { name, version, exports, files };
}

async function addPackage(
  site: Map<string, string>,
  { name, version, exports, files }: JsrPackage,
): Promise<void> {
  const [scope, base] = name.slice(1).split("/");
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const [file, text] of files) {
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
