/** How many requests a queue holds. @module */

import type { Remaining } from "./history.ts";

/** What can be asked: a node of the broker. */
export interface Ctl {
  /** Runs rabbitmqctl. */
  ctl(...args: readonly string[]): Promise<string>;
}

/**
 * Counts the messages of a quorum queue. It asks the queue's own state machine: what
 * `list_queues` shows is up to five seconds old, and says "empty" of a queue that has just filled.
 *
 * @returns `undefined` if there is no such queue, or it has no leader.
 */
export async function queueDepth(node: Ctl, queue: string): Promise<Remaining | undefined> {
  // By name, as Ra 3 of RabbitMQ 4.3 takes no function. The total comes last: a queue that has none is
  // empty, whatever has moved since the first question.
  const expression =
    `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)),
    Leader = amqqueue:get_pid(Q),
    Ask = fun(Name) -> {ok, N, _} = ra:consistent_query(Leader, {rabbit_fifo, Name, []}), N end,
    Ready = Ask(query_messages_ready), Total = Ask(query_messages_total),
    {Ready, Total - min(Ready, Total)}.`;
  try {
    const [, ready, unacknowledged] = /\{(\d+),(\d+)\}/.exec(await node.ctl("eval", expression)) ??
      [];
    if (ready === undefined) return undefined;
    return { ready: Number(ready), unacknowledged: Number(unacknowledged) };
  } catch {
    return undefined;
  }
}
