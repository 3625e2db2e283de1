/** Which packages the published package brings along, in the form of CycloneDX. @module */

import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../tasks/root.ts";

/** A package that another one needs. */
export interface Component {
  readonly type: "library";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses?: readonly { readonly license: { readonly id: string } }[];
}

/** A bill of materials, as tools that look for vulnerable versions read it. */
export interface BillOfMaterials {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** What `deno info --json` tells, as far as it matters here. */
interface ModuleGraph {
  readonly modules: readonly { readonly specifier: string }[];
  readonly npmPackages: Readonly<
    Record<string, {
      readonly name: string;
      readonly version: string;
      readonly dependencies: readonly string[];
      readonly localPath?: string;
    }>
  >;
}

/** Lists all that any entry of the package loads, in the versions that were resolved here. */
export async function billOfMaterials(): Promise<BillOfMaterials> {
  const graphs = await Promise.all(Object.values(config.exports).map(graphOf));
  const npm = Object.assign({}, ...graphs.map(({ npmPackages }) => npmPackages));
  const packages: ModuleGraph["npmPackages"] = npm;
  const strange = graphs.flatMap(({ modules }) => modules)
    .find(({ specifier }) => !/^(file|node|npm):/.test(specifier));
  if (strange !== undefined) {
    throw new Error(`Cannot list the packages as one is not from npm: ${strange.specifier}`);
  }
  const own = component(config.name, config.version);
  const components = (await Promise.all(Object.values(packages).map(npmComponent)))
    .toSorted((a, b) => a["bom-ref"] < b["bom-ref"] ? -1 : 1);
  const inner = new Set(Object.values(packages).flatMap(({ dependencies }) => dependencies));
  const direct = components.map((each) => each["bom-ref"]).filter((ref) => !inner.has(ref));
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: own },
    components,
    dependencies: [
      { ref: own["bom-ref"], dependsOn: direct },
      ...Object.entries(packages).map(([ref, { dependencies }]) => ({
        ref,
        dependsOn: dependencies,
      })),
    ],
  };
}

async function graphOf(entry: string): Promise<ModuleGraph> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: ROOT,
    stderr: "null",
  });
  const { success, stdout } = await command.output();
  if (!success) throw new Error(`Cannot list what ${entry} loads: is there a network?`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

function component(name: string, version: string): Component {
  return { type: "library", "bom-ref": `${name}@${version}`, name, version };
}

async function npmComponent(
  { name, version, localPath }: ModuleGraph["npmPackages"][string],
): Promise<Component> {
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  const text = await Deno.readTextFile(`${localPath}/package.json`).catch(() => "{}");
  const { license }: { readonly license?: unknown } = JSON.parse(text);
  const licenses = typeof license === "string" ? [{ license: { id: license } }] : undefined;
  return { ...component(name, version), purl, ...licenses && { licenses } };
}
