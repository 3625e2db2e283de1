/** The procedures of all chaos servers. @module */

import type { Handler } from "../../mod.ts";
import type { ExecutionLog } from "../checking/executions.ts";
import { outputOf, type WorkInput } from "../load/work.ts";

/** Waits, as most handlers do; the thread is free meanwhile. */
export function waiting(log: ExecutionLog): Handler<WorkInput, string> {
  return async (input, { redeliveries }) => {
    log.begin(input.call, redeliveries);
    if (input.ms > 0) await new Promise((resolve) => setTimeout(resolve, input.ms));
    return finish(log, input);
  };
}

/** Computes, as those in workers do. */
export function computing(log: ExecutionLog): Handler<WorkInput, string> {
  return (input, { redeliveries }) => {
    log.begin(input.call, redeliveries);
    const end = performance.now() + input.ms;
    while (performance.now() < end);
    return finish(log, input);
  };
}

function finish(log: ExecutionLog, input: WorkInput): string {
  const output = outputOf(input);
  log.end(input.call);
  return output;
}
