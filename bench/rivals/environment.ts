/** Where the comparison runs: the machine, the releases, and the rivals' packages. @module */

import { connect } from "../../deps/amqplib.ts";
import { say } from "../../tools/tasks/say.ts";

const FOLDER = new URL(".", import.meta.url);

/** Installs the rivals with npm, unless they are there. */
export async function installRivals(): Promise<void> {
  if (await readVersion("amqplib") !== undefined) return;
  say("Installing the rivals into bench/rivals, with npm");
  const { success } = await new Deno.Command("npm", {
    args: ["install", "--ignore-scripts", "--no-audit", "--no-fund"],
    cwd: FOLDER,
    stdout: "null",
  }).output();
  if (!success) throw new Error("Cannot measure as npm cannot install the rivals");
}

/** What it runs on. */
export function machine(): { cpu: string; cores: number; memoryGb: number; os: string } {
  return {
    cpu: /model name\s*: (.*)/.exec(readText("/proc/cpuinfo"))?.[1] ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    memoryGb: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    os: `${Deno.build.os} ${Deno.osRelease()}`,
  };
}

/** The load average over a minute. */
export function readLoad(): number {
  return Number((Deno.loadavg()[0] ?? NaN).toFixed(1));
}

/** The releases of all that takes part. */
export async function versions(url: string): Promise<Record<string, string>> {
  const manifest: { dependencies: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("package.json", FOLDER)),
  );
  const packages = Object.keys(manifest.dependencies);
  const found = await Promise.all(packages.map(readVersion));
  const python = "import importlib.metadata as m; print(m.version('%'))";
  const ask = (name: string) => firstLine("/usr/bin/python3", "-c", python.replace("%", name));
  return {
    broker: await brokerVersion(url),
    deno: Deno.version.deno,
    node: await firstLine("node", "--version"),
    ...Object.fromEntries(packages.map((name, index) => [name, found[index] ?? "missing"])),
    pika: await ask("pika"),
    celery: await ask("celery"),
  };
}

async function brokerVersion(url: string): Promise<string> {
  const connection = await connect(url);
  const { product, version } = connection.connection.serverProperties;
  await connection.close();
  return `${product} ${version}`;
}

async function readVersion(name: string): Promise<string | undefined> {
  try {
    const path = new URL(`node_modules/${name}/package.json`, FOLDER);
    return JSON.parse(await Deno.readTextFile(path)).version;
  } catch {
    return undefined;
  }
}

async function firstLine(command: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(command, { args: [...args] }).output();
    return new TextDecoder().decode(stdout).split("\n")[0] || "missing";
  } catch {
    return "missing";
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
