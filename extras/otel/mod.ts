/**
 * Spans and metrics of calls and requests for OpenTelemetry, by its semantic conventions. It needs an
 * SDK that takes them: Deno has one (`OTEL_DENO=true`), any other will do.
 *
 * @example A server and a client whose calls are traced
 * ```ts ignore because it needs a broker
 * import { RpcClient, RpcServer } from "@warren/rpc";
 * import { instrumentCalls, instrumentRequests } from "@warren/rpc/otel";
 *
 * const url = "amqp://127.0.0.1";
 * await using server = await RpcServer.listen(url, {
 *   queue: "math",
 *   handlers: { double: (n: number) => 2 * n },
 *   interceptors: [instrumentRequests("math")],
 * });
 * const options = { queue: "math", interceptors: [instrumentCalls()] };
 * await using client = await RpcClient.connect(url, options);
 * console.log(await client.call("double", 2));
 * ```
 *
 * @module
 */

export { instrumentCallback } from "./instrument_callback.ts";
export { instrumentCalls, type InstrumentCallsOptions } from "./instrument_calls.ts";
export { instrumentEvents } from "./instrument_events.ts";
export { instrumentHandler } from "./instrument_handler.ts";
export { instrumentRequests, type InstrumentRequestsOptions } from "./instrument_requests.ts";
export { instrumentStats } from "./instrument_stats.ts";
export type { MeasuredPart, MeasuredParts } from "../metrics/stats_families.ts";
export type { RpcClientEvent, RpcServerEvent } from "../../options/events.ts";
export type { NamedCallback, NamedReply } from "../../options/client_options.ts";
export type { CallContext } from "../../contract.ts";
export type {
  BrokerNode,
  CallStep,
  ClientInterceptor,
  InterceptedCall,
  InterceptedReply,
  InterceptedRequest,
  ServerInterceptor,
  SettledOutcome,
} from "../../options/interceptors.ts";
