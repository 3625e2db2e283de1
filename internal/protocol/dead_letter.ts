/** What the broker says of a message that a queue has dropped. @module */

import type { AmqpProperties } from "../broker/amqp.ts";

/** Why a request queue dropped a request. Source: RabbitMQ's manual, dead letter exchanges. */
export type DeadLetterReason = "expired" | "rejected" | "maxlen" | "delivery_limit";

/**
 * How often a queue has rejected a message that came back to it: what is published by its name to the
 * default exchange does, if the queue sends there what it drops.
 */
export function countRejections({ headers }: AmqpProperties, queue: string): number {
  const deaths = headers?.["x-death"];
  if (!Array.isArray(deaths)) return 0;
  return Math.max(0, ...deaths.map((death: unknown) => rejectionsIn(death, queue)));
}

function rejectionsIn(death: unknown, queue: string): number {
  if (typeof death !== "object" || death === null) return 0;
  if (!("queue" in death) || death.queue !== queue) return 0;
  if (!("reason" in death) || death.reason !== "rejected") return 0;
  return "count" in death && Number.isSafeInteger(death.count) ? Number(death.count) : 1;
}

/** Why the request queue dropped the request, if this is a request that came back. */
export function readDeadLetterReason(properties: AmqpProperties): DeadLetterReason | undefined {
  const deaths = properties.headers?.["x-death"];
  if (!Array.isArray(deaths)) return undefined;
  const last: unknown = deaths[0];
  if (typeof last !== "object" || last === null || !("reason" in last)) return undefined;
  switch (last.reason) {
    case "expired":
    case "rejected":
    case "maxlen":
    case "delivery_limit":
      return last.reason;
    default:
      return undefined;
  }
}
