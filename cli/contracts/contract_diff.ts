/** What clients that were built against one contract would miss in another. @module */

import type { ProcedureInfo, ServerInfo } from "../../extras/control/rpc_control.ts";
import type { RunningContract } from "./running_contract.ts";
import { schemaDiff, type SchemaDifference } from "./schema_diff.ts";

/** A difference that breaks callers, and the server that has it. */
export interface ContractDifference extends SchemaDifference {
  readonly server: string;
}

/** What a contract promises and a server does not keep. What a server has beside it breaks nobody. */
export function contractDiff(contract: RunningContract, server: ServerInfo): ContractDifference[] {
  const offered = new Map(server.endpoints.map((endpoint) => [endpoint.name, endpoint]));
  return contract.procedures.flatMap((procedure) => {
    const path = procedure.name;
    const found = offered.get(procedure.name);
    const differences = found === undefined
      ? [{ path, was: "there", is: "missing" }]
      : ofProcedure(procedure, found, !server.schemasOmitted);
    return differences.map((difference) => ({ server: server.id, ...difference }));
  });
}

function ofProcedure(
  was: ProcedureInfo,
  is: ProcedureInfo,
  hasSchemas: boolean,
): SchemaDifference[] {
  const path = was.name;
  const kinds = was.kind !== undefined && is.kind !== undefined && was.kind !== is.kind
    ? [{ path: `${path}.kind`, was: was.kind, is: is.kind }]
    : [];
  if (!hasSchemas) return kinds;
  return [
    ...kinds,
    // Callers send what the old one took, and get what the new one gives.
    ...schemaDiff(was.input, is.input, `${path}.input`),
    ...schemaDiff(is.output, was.output, `${path}.output`)
      .map(({ path, was, is }) => ({ path, was: is, is: was })),
  ];
}
