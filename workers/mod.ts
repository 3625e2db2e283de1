/**
 * A pool of workers for CPU-bound procedures, with or without a broker.
 *
 * @module
 */

export type {
  AnyContract,
  CallArguments,
  CallContext,
  Contract,
  InputOf,
  ItemOf,
  OutputOf,
  PlainNames,
  PoolHandler,
  ProcedureName,
  StreamNames,
  WithMsgpack,
} from "../contract.ts";
export type { Body, Codec } from "../codec.ts";
export { type PoolHandlers, WorkerPool } from "./pool/pool.ts";
export type { PoolEvent } from "./pool/pool_events.ts";
export type {
  PoolCloseOptions,
  PoolStreamOptions,
  ProcedureLimits,
  RunOptions,
  WorkerPoolOptions,
} from "./pool/pool_options.ts";
export type { HistogramSummary, PoolStats } from "./pool/pool_stats.ts";
export type {
  PermissionScope,
  ProcessOptions,
  ProcessPermissions,
} from "./host/process_options.ts";
