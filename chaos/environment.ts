/** Where a run took place. @module */

import { findRabbitmq } from "../tools/brokers/rabbitmq_install.ts";
import type { Report } from "./report.ts";

/** Names the versions and the machine, without which figures mean nothing. */
export async function environment(): Promise<Pick<Report, "versions" | "machine">> {
  const { version }: { version: string } = JSON.parse(
    await Deno.readTextFile(new URL("../deno.json", import.meta.url)),
  );
  const rabbitmq = findRabbitmq();
  return {
    versions: {
      "@warren/rpc": version,
      deno: Deno.version.deno,
      v8: Deno.version.v8,
      amqplib: await packageVersion("../deps/amqplib.ts"),
      rabbitmq: typeof rabbitmq === "string" ? "" : rabbitmq.version,
    },
    machine: {
      os: `${Deno.build.os} ${Deno.osRelease()}`,
      arch: Deno.build.arch,
      cores: navigator.hardwareConcurrency,
      memoryMb: Math.round(Deno.systemMemoryInfo().total / 2 ** 20),
      loadAverage: Deno.loadavg().map((load) => load.toFixed(1)).join(" "),
    },
  };
}

async function packageVersion(module: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(module, import.meta.url));
  return /npm:\w+@([^"]+)/.exec(text)?.[1] ?? "";
}
