/**
 * Function calls over RabbitMQ, typed, with CPU-bound work in a pool of workers.
 *
 * A {@linkcode RpcServer} serves procedures from a queue, a {@linkcode RpcClient} calls them. The
 * pool of workers is in `@warren/rpc/workers`, and what an administrator needs is in
 * `@warren/rpc/parked`, so that programs that only call load neither.
 *
 * @example A server and a client
 * ```ts ignore because it needs a broker
 * import { RpcClient, RpcServer } from "@warren/rpc";
 *
 * const procedures = { add: ({ a, b }: { a: number; b: number }) => a + b };
 * const url = "amqp://127.0.0.1";
 * await using server = await RpcServer.listen(url, { queue: "math", handlers: procedures });
 * await using client = await RpcClient.connect<typeof procedures>(url, { queue: "math" });
 * console.log(await client.call("add", { a: 1, b: 2 }));
 * ```
 *
 * @module
 */

export { type ClientOf, RpcClient } from "./client.ts";
export { RpcConnection } from "./connection.ts";
export type {
  ApiMember,
  BatchCall,
  BatchOptions,
  BatchOutputs,
  CallCallback,
  Caller,
  CallOptions,
  CallResult,
  ClientApi,
  NotifyOptions,
  ReplyDetails,
  StreamOptions,
} from "./caller.ts";
export type {
  BatchingOptions,
  DurableReplyQueue,
  NamedCallback,
  NamedCallbackOptions,
  NamedReply,
  ReplyQueue,
  RpcClientCloseOptions,
  RpcClientOptions,
  RpcClientStats,
} from "./options/client_options.ts";
export {
  type Body,
  type Codec,
  codecFor,
  createJsonCodec,
  jsonCodec,
  type JsonCodecOptions,
} from "./codec.ts";
export type {
  BrokerUrl,
  ConnectOptions,
  Credentials,
  TlsOptions,
} from "./options/connect_options.ts";
export {
  type AnyContract,
  type AnyHandlers,
  type CallArguments,
  type CallContext,
  type Contract,
  type ErrorsOf,
  type Handler,
  type Handlers,
  type HeaderValue,
  implement,
  type InferInputs,
  type InferItems,
  type InferOutputs,
  type InputOf,
  type ItemOf,
  type MessageHeaders,
  type OutputOf,
  type PlainNames,
  type PoolHandler,
  type Procedure,
  type ProcedureName,
  type Servable,
  type ServedBy,
  type StandardSchema,
  type StandardSchemaIssue,
  type StandardSchemaResult,
  type Streamed,
  type StreamNames,
  type Unusable,
  type WithMsgpack,
} from "./contract.ts";
export {
  type CallPhase,
  type CallReport,
  type CallTiming,
  type DeclaredError,
  type ErrorDescription,
  isRpcError,
  type KnownErrorCode,
  RpcError,
  type RpcErrorCode,
  type RpcErrorOptions,
  type RpcPromise,
  RpcRemoteError,
  RpcTimeoutError,
  safe,
  type SafeResult,
} from "./errors.ts";
export type {
  IdempotencyClaim,
  IdempotencyOptions,
  IdempotencyOutput,
  IdempotencyState,
  IdempotencyStore,
} from "./options/idempotency_options.ts";
export type {
  ConnectionEvent,
  RpcClientEvent,
  RpcServerEvent,
  RpcState,
  ServedTiming,
  ServerConnectionEvent,
} from "./options/events.ts";
export type {
  ClientInterceptor,
  InterceptedCall,
  InterceptedReply,
  InterceptedRequest,
  ServerInterceptor,
} from "./options/interceptors.ts";
export { RpcServer } from "./server.ts";
export { shardOf } from "./shard_of.ts";
export type {
  Durability,
  QueueOptions,
  ReplyCacheOptions,
  RpcServerCloseOptions,
  RpcServerOptions,
  RpcServerStats,
} from "./options/server_options.ts";
