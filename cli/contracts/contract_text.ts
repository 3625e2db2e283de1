/** A contract in TypeScript, made of what servers say of themselves. @module */

import type { ProcedureInfo } from "../../extras/control/rpc_control.ts";
import { printableLine } from "../output.ts";
import { isObject, type RunningContract } from "./running_contract.ts";
import { schemaText } from "./schema_text.ts";

/** Writes a contract for clients: what servers say may be anything, so all of it is quoted. */
export function contractText({ queue, procedures }: RunningContract, name?: string): string {
  const tree: Tree = new Map();
  for (const procedure of procedures) place(tree, procedure);
  return [
    `/** What the servers of queue ${JSON.stringify(safe(queue))} offer, as they say. */`,
    `export interface ${name ?? interfaceName(queue)} {`,
    ...membersOf(tree, "  "),
    "}",
    "",
  ].join("\n");
}

/** Procedures in objects, by their names between the dots. */
type Tree = Map<string, ProcedureInfo | Tree>;

function place(tree: Tree, procedure: ProcedureInfo): void {
  const path = procedure.name.split(".");
  const last = path.pop() ?? "";
  let place = tree;
  for (const part of path) {
    const next = place.get(part) ?? new Map();
    // A procedure of that name is there already: then this one stands beside it.
    if (!(next instanceof Map) || part === "") return void tree.set(procedure.name, procedure);
    place.set(part, next);
    place = next;
  }
  if (last === "" || place.has(last)) tree.set(procedure.name, procedure);
  else place.set(last, procedure);
}

function membersOf(tree: Tree, indent: string): string[] {
  return [...tree].flatMap(([name, member]) => {
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(safe(name));
    if (member instanceof Map) {
      return [`${indent}${key}: {`, ...membersOf(member, `${indent}  `), `${indent}};`];
    }
    const { description, kind, input, output } = member;
    const comment = typeof description === "string" ? [`${indent}/** ${safe(description)} */`] : [];
    const note = kind === undefined ? [`${indent}// Run by workers: it may stream.`] : [];
    const given = schemaText(output, indent);
    const result = kind === "stream" ? `AsyncIterable<${given}>` : given;
    const argument = takesNothing(input) ? "" : `input: ${schemaText(input, indent)}`;
    return [...comment, ...note, `${indent}${key}(${argument}): ${result};`];
  });
}

function takesNothing(input: unknown): boolean {
  return isObject(input) && input.type === "null";
}

function interfaceName(queue: string): string {
  const words = queue.match(/[A-Za-z0-9]+/g) ?? [];
  const name = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
  return `${/^[A-Z]/.test(name) ? name : `Queue${name}`}Contract`;
}

/** Ends no comment, and is on one line. */
function safe(text: string): string {
  return printableLine(text.replaceAll(/\s+/g, " ")).replaceAll("*/", "*\\/");
}
