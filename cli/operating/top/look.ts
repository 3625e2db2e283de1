/** A look at all servers, which top and events take again and again. @module */

import type { Answer, RpcControl, ServerStats } from "../../../extras/control/rpc_control.ts";
import { RpcError } from "../../../mod.ts";
import type { QueueCounts, Sample } from "./top_model.ts";

/** Servers that answer do so within this part of the time from one look to the next. */
const ANSWER_SHARE = 0.8;

/**
 * Asks all servers of the queues, and the broker about the queues.
 *
 * @param watchMs The time from one look to the next.
 */
export async function lookAt(
  control: RpcControl,
  queues: readonly string[],
  watchMs: number,
): Promise<Sample> {
  const timeoutMs = Math.max(1, Math.round(watchMs * ANSWER_SHARE));
  const at = performance.now();
  const answers = queues.length === 0
    ? [orNone(control.stats({ timeoutMs }))]
    : queues.map((queue) => orNone(control.stats({ queue, timeoutMs })));
  const servers = (await Promise.all(answers)).flat();
  const names = queues.length === 0
    ? [...new Set(servers.map(({ name }) => name))].toSorted()
    : queues;
  const counts = await Promise.all(names.map(async (name): Promise<[string, QueueCounts]> => {
    const [queue, parked] = await Promise.all([
      control.queue(name).catch(noRight),
      // Where nothing was ever parked there is no queue for it.
      control.queue(`${name}.parked`).then((state) => state?.ready ?? 0).catch(noRight),
    ]);
    return [name, { ...queue, ...(parked !== undefined && { parked }) }];
  }));
  return { at, servers, queues: new Map(counts) };
}

async function orNone(answers: Promise<Answer<ServerStats>[]>): Promise<Answer<ServerStats>[]> {
  try {
    return await answers;
  } catch (error) {
    if (error instanceof RpcError && error.code === "unroutable") return [];
    throw error;
  }
}

/** Who may not look at a queue sees the rest. */
function noRight(error: unknown): undefined {
  if (error instanceof RpcError && error.code === "access-refused") return undefined;
  throw error;
}

/**
 * Tells why a look was in vain: the broker is away, and the connection heals by itself, or it takes its
 * time. Whoever watches wants to see how that ends.
 *
 * @returns What to say of it; nothing of a lost connection, as its owner is told of that.
 * @throws {unknown} All else.
 */
export function missedLook(error: unknown): string | undefined {
  if (error instanceof RpcError && error.code === "disconnected") return undefined;
  if (error instanceof RpcError && error.code === "timeout") return error.message;
  throw error;
}
