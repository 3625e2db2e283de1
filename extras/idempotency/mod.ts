/**
 * Stores that servers share, so that an idempotency key runs once in all of them.
 *
 * @module
 */

export { FileStore } from "./file_store.ts";
export { MemoryStore } from "./memory_store.ts";
export type {
  IdempotencyClaim,
  IdempotencyOutput,
  IdempotencyState,
  IdempotencyStore,
} from "../../options/idempotency_options.ts";
