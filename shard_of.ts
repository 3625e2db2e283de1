/**
 * Which shard a key belongs to.
 *
 * @module
 */

import { checkInteger, checkType } from "./internal/check.ts";

/** As many as there can be queues of one client. */
const MAX_SHARDS = 1_000;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * Gives the shard of a key, for the `route` of a client: the same everywhere and always. With one shard
 * more, one key of `shards + 1` moves, and all of them to the new one.
 *
 * It is the rendezvous of the 32-bit FNV-1a of the key's UTF-8, so that clients in other languages can
 * do the same: see docs/scaling.md.
 *
 * @param key What belongs together, such as the id of a tenant.
 * @param shards How many shards there are, from 1 to 1000.
 * @returns A number from 0 to `shards - 1`.
 * @throws {TypeError} If the key is no text.
 * @throws {RangeError} If there cannot be as many shards.
 *
 * @example Sixteen queues
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { shardOf } from "@warren/rpc";
 *
 * assertEquals(`orders.${shardOf("tenant-7", 16)}`, "orders.13");
 * ```
 */
export function shardOf(key: string, shards: number): number {
  checkType("choose a shard", { key: key ?? null }, "string");
  checkInteger("choose a shard", { shards }, { min: 1, max: MAX_SHARDS });
  let hash = FNV_OFFSET;
  for (const byte of encoder.encode(key)) hash = Math.imul(hash ^ byte, FNV_PRIME);
  let best = 0;
  let bestScore = -1;
  for (let shard = 0; shard < shards; shard++) {
    const score = mixed(hash ^ mixed(shard + 1));
    if (score > bestScore) [best, bestScore] = [shard, score];
  }
  return best;
}

const encoder = new TextEncoder();

/** What MurmurHash3 ends with: each bit of the input moves half of those of the output. */
function mixed(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
