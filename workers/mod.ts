/**
 * A pool of workers for CPU-bound procedures, with or without a broker.
 *
 * @module
 */

export type {
  AnyContract,
  CallContext,
  Contract,
  EncodedHandler,
  EncodedItem,
  EncodedReply,
  EncodedRequest,
  HandlerCapacity,
  InputOf,
  ItemOf,
  ItemSink,
  OutputOf,
  ProcedureName,
  RunningRequest,
} from "../contract.ts";
export type { Body, Codec } from "../codec.ts";
export { type PoolHandlers, WorkerPool } from "./pool.ts";
export type { PoolEvent } from "./pool_events.ts";
export type {
  PoolCloseOptions,
  ProcedureLimits,
  RunOptions,
  StreamOptions,
  WorkerPoolOptions,
} from "./pool_options.ts";
export type { HistogramSummary } from "./histogram.ts";
export type { PoolStats } from "./pool_stats.ts";
export type { PermissionScope, ProcessOptions, ProcessPermissions } from "./process_options.ts";
