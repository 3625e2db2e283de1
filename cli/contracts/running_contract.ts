/** What running servers offer, as a contract: read from them, or from a file that it was written to. @module */

import { jsonCodec } from "../../codec.ts";
import type { ProcedureInfo, ServerInfo } from "../../extras/control/rpc_control.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";
import { readTextFile } from "../global_options.ts";

/** What servers of a queue offer. */
export interface RunningContract {
  readonly queue: string;
  readonly procedures: readonly ProcedureInfo[];
}

/** The `type` of a contract that was written to a file. */
export const CONTRACT_TYPE = "warren.rpc.v1.contract";

/** All procedures that some servers offer; of those of the same name, what the first server says. */
export function runningContract(queue: string, servers: readonly ServerInfo[]): RunningContract {
  const procedures = new Map<string, ProcedureInfo>();
  for (const { endpoints } of servers) {
    for (const endpoint of endpoints) {
      if (!procedures.has(endpoint.name)) procedures.set(endpoint.name, endpoint);
    }
  }
  return {
    queue,
    procedures: [...procedures.values()].toSorted((a, b) => a.name.localeCompare(b.name)),
  };
}

/**
 * Reads a contract: what `warren types -j` or `warren info -j` has written.
 *
 * @throws {CommandError} If the file has none.
 */
export async function readContract(path: string): Promise<RunningContract> {
  const text = await readTextFile(path);
  let value: unknown;
  try {
    value = jsonCodec.decode(new TextEncoder().encode(text));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(EXIT_CODE.data, `The file "${path}" is not JSON: ${reason}`);
  }
  const parts = (Array.isArray(value) ? value : [value]).filter(isObject);
  const found = parts.find(({ type }) => type === CONTRACT_TYPE);
  const lists = found === undefined ? parts.map(({ endpoints }) => endpoints) : [found.procedures];
  const procedures = lists.flatMap((list) => Array.isArray(list) ? list : []).filter(isProcedure);
  if (parts.length > 0 && lists.every(Array.isArray)) {
    const queue = String(found?.queue ?? parts[0]?.name ?? "");
    const names = new Set(procedures.map(({ name }) => name));
    const first = (name: string) => procedures.find((each) => each.name === name) ?? { name };
    return { queue, procedures: [...names].map(first) };
  }
  throw new CommandError(
    EXIT_CODE.data,
    `The file "${path}" has no contract: write one with warren types QUEUE -j`,
  );
}

/** Tells whether something is an object with members. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isProcedure(value: unknown): value is ProcedureInfo {
  return isObject(value) && typeof value.name === "string";
}
