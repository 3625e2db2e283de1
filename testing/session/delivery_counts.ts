/** The headers in which quorum queues tell how often a message came back. @module */

import type { QueuedMessage } from "../model/message.ts";
import type { Queue } from "../model/queue.ts";
import type { VersionRules } from "../model/version_rules.ts";
import type { BasicProperties } from "../wire/basic_properties.ts";
import { sortedTable } from "../wire/field_value.ts";

/** Returns the properties of a delivery, with counts if there is something to count. */
export function countedProperties(
  queue: Queue,
  entry: QueuedMessage,
  { alwaysCounts = false }: { readonly alwaysCounts?: boolean } = {},
): BasicProperties {
  const { message: { properties } } = entry;
  if (queue.declaration.settings.type !== "quorum") return properties;
  if (!alwaysCounts && entry.acquiredCount === 0 && entry.failedCount === 0) return properties;
  const headers = new Map(properties.headers);
  for (const [name, count] of countsOf(entry, queue.rules)) {
    headers.set(name, { type: "long", value: BigInt(count) });
  }
  return properties.with({ headers: sortedTable(headers) });
}

/** A message that came with a count from another queue is one that was acquired as often. */
function countsOf(
  { acquiredCount, failedCount }: QueuedMessage,
  { countedReturns, keepsAnnotations }: VersionRules,
): [string, number][] {
  if (!keepsAnnotations) return [["x-delivery-count", acquiredCount]];
  const acquired = acquiredCount === 0 ? failedCount : acquiredCount;
  if (countedReturns === "all") return [["x-delivery-count", acquired]];
  const counts: [string, number][] = [["x-acquired-count", acquired]];
  if (failedCount > 0) counts.push(["x-delivery-count", failedCount]);
  return counts;
}
