/**
 * `deno task trip`: how far a reader goes to follow a call.
 *
 * It instruments a copy of the sources, goes each trip in it with server, client and the embedded
 * broker in one process, and prints which files and functions were entered, how often the next
 * function was in another file, the hops of a call, and the named shapes of its data. What a worker
 * enters does not count; a pool's own thread does.
 *
 * - `--json` prints the figures as JSON.
 * - `--root FOLDER` counts another checkout.
 *
 * @module
 */

import { parseArgs } from "../../deps/std_cli.ts";
import { ROOT } from "../tasks/root.ts";
import { countTrips, type Figures } from "./figures.ts";

const { json, root } = parseArgs(Deno.args, { boolean: ["json"], string: ["root"] });
const figures = await countTrips(root === undefined ? ROOT : folderUrl(root));
console.log(json ? JSON.stringify(figures, undefined, 2) : reportLines(figures).join("\n"));

function folderUrl(path: string): URL {
  return new URL(`file://${Deno.realPathSync(path)}/`);
}

function reportLines({ trips, out, in: inward, shapes }: Figures): string[] {
  return [
    `${"trip".padEnd(24)}${["files", "functions", "moves"].map(cell).join("")}`,
    ...Object.entries(trips).map(([name, { files, functions, moves }]) =>
      `${name.padEnd(24)}${[files, functions, moves].map(cell).join("")}`
    ),
    "",
    `${out.count} hops from RpcClient.call() to amqplib's publish():`,
    ...out.names.map((name) => `  ${name}`),
    `${inward.count} hops from amqplib's delivery to the handler:`,
    ...inward.names.map((name) => `  ${name}`),
    `${shapes.names.length} named shapes of one call: ${shapes.names.join(", ")}`,
    ...shapes.unknown.map((type) => `  Neither a shape nor listed as another type: ${type}`),
  ];
}

function cell(value: string | number): string {
  return String(value).padStart(12);
}
