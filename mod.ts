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
 * const handlers = { add: ({ a, b }: { a: number; b: number }) => a + b };
 * const url = "amqp://127.0.0.1";
 * const queue = "math";
 * await using server = await RpcServer.listen(url, { queue, handlers });
 * await using client = await RpcClient.connect<typeof handlers>(url, { queue });
 * console.log(await client.api.add({ a: 1, b: 2 }));
 * ```
 *
 * @module
 */

export { RpcClient } from "./client.ts";
export { RpcServer } from "./server.ts";
export { implement } from "./contract.ts";
export { isRpcError, RpcError, RpcRemoteError, RpcTimeoutError, safe } from "./errors.ts";
export { RpcConnection } from "./connection.ts";
export { codecFor, createJsonCodec, jsonCodec } from "./codec.ts";
export { shardOf } from "./shard_of.ts";
export type { ClientOf } from "./client.ts";
export type {
  BatchOptions,
  CallCallback,
  Caller,
  CallOptions,
  CallResult,
  NotifyOptions,
  ReplyDetails,
  StreamOptions,
} from "./caller.ts";
export type {
  CallContext,
  Contract,
  ErrorsOf,
  Handler,
  Handlers,
  HeaderValue,
  InferInputs,
  InferItems,
  InferOutputs,
  InputOf,
  MessageHeaders,
  OutputOf,
  PlainNames,
  Procedure,
  ProcedureName,
  ProgressOf,
  StreamNames,
  WithMsgpack,
} from "./contract.ts";
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
export type {
  Durability,
  QueueOptions,
  ReplyCacheOptions,
  RpcServerCloseOptions,
  RpcServerOptions,
  RpcServerStats,
} from "./options/server_options.ts";
export type {
  BrokerUrl,
  ConnectOptions,
  Credentials,
  TlsOptions,
} from "./options/connect_options.ts";
export type {
  CallPhase,
  CallReport,
  CallTiming,
  ErrorDescription,
  KnownErrorCode,
  RpcErrorCode,
  RpcErrorOptions,
  RpcPromise,
  SafeResult,
} from "./errors.ts";
export type { Body, Codec, JsonCodecOptions } from "./codec.ts";
export type {
  ConnectionEvent,
  RpcClientEvent,
  RpcServerEvent,
  RpcState,
  ServedTiming,
  ServerConnectionEvent,
} from "./options/events.ts";
export type {
  BrokerNode,
  CallStep,
  ClientInterceptor,
  InterceptedCall,
  InterceptedReply,
  InterceptedRequest,
  ServerInterceptor,
  SettledOutcome,
} from "./options/interceptors.ts";
export type {
  IdempotencyClaim,
  IdempotencyOptions,
  IdempotencyOutput,
  IdempotencyState,
  IdempotencyStore,
} from "./options/idempotency_options.ts";
// What the signatures of the others name, and few programs do.
export type {
  ApiMember,
  BatchCall,
  BatchOutputs,
  CallAsyncArguments,
  ClientApi,
} from "./caller.ts";
export type {
  AnyContract,
  AnyHandlers,
  CallArguments,
  ItemOf,
  PoolHandler,
  Servable,
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaResult,
  Streamed,
  Unusable,
} from "./contract.ts";
export type { DeclaredError } from "./errors.ts";
