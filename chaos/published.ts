/** The run whose figures docs/chaos.md shows. @module */

import { keepResults, readResults } from "../tools/measuring/kept_results.ts";
import { table, withPart, wrap } from "../tools/measuring/markdown.ts";
import { type Report, ROW_HEADS, rowCells } from "./report.ts";

const REPORT_FILE = new URL("./results.json", import.meta.url);
const PAGE = new URL("../docs/chaos.md", import.meta.url);
const UNMEASURED =
  "No run is kept yet, so no figure stands here: `deno task chaos --write` keeps one.";

/** Keeps a run, and writes its figures into the page. */
export async function publish(report: Report): Promise<void> {
  await keepResults(REPORT_FILE, report);
  await Deno.writeTextFile(PAGE, withFigures(await Deno.readTextFile(PAGE), await readKept()));
}

/** Reads the run that is kept; nothing if there is none. */
export async function readKept(): Promise<Report | undefined> {
  return await readResults<Report>(REPORT_FILE);
}

/**
 * Puts the figures of a run into the page, between its markers.
 *
 * @throws {Error} If the markers are missing.
 */
export function withFigures(page: string, report: Report | undefined): string {
  const part = report === undefined ? wrap(UNMEASURED) : figuresOf(report);
  return withPart(page, { page: "docs/chaos.md", name: "chaos" }, part);
}

function figuresOf({ minutes, seed, seconds, versions, machine, rows }: Report): string {
  const described = (parts: Readonly<Record<string, string | number>>) => {
    return Object.entries(parts).map(([name, value]) => `${name} ${value}`).join(", ");
  };
  const intro = `\`--minutes ${minutes} --seed ${seed}\`, which took ${Math.round(seconds / 60)} ` +
    `minutes: ${described(versions)}; ${described(machine)}.`;
  return [wrap(intro), table(ROW_HEADS, rows.map(rowCells))].join("\n\n");
}
