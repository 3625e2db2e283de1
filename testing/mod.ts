/**
 * An in-memory AMQP 0-9-1 broker for development and tests, and clients that need none.
 *
 * It speaks the protocol of RabbitMQ on a loopback TCP port, so any client works with it unchanged. It
 * keeps nothing on disk and knows no clusters: production belongs to RabbitMQ.
 *
 * @example Start a broker for the length of a test
 * ```ts
 * import { TestBroker } from "@warren/rpc/testing";
 *
 * await using broker = await TestBroker.start();
 * console.log(broker.url);
 * ```
 *
 * @module
 */

export type { Caller } from "../caller.ts";
export { fakeClient, type FakeHandler, type FakeHandlers } from "./clients/fake_client.ts";
export { localClient, type LocalClientOptions } from "./clients/local_client.ts";
export { type ConnectionInfo, type QueueInfo, TestBroker } from "./broker.ts";
export type { BrokerLimits, TestBrokerOptions } from "./broker_options.ts";
export { type Clock, type ClockTimer, SystemClock, VirtualClock } from "./clock.ts";
export {
  type ChannelClosePoint,
  type DropKind,
  type DropPoint,
  Faults,
  type FaultScope,
} from "./faults.ts";
export { type MethodDirection, type MethodEvent, MethodLog } from "./method_log.ts";
export type { UserOptions, UserPermissions } from "./model/users.ts";
export type { Compat } from "./model/version_rules.ts";
export type { ConnectionLimits } from "./session/broker_context.ts";
export type { FieldTable, FieldValue, IntegerType } from "./wire/field_value.ts";
export type {
  ArgumentTypes,
  Method,
  MethodArguments,
  MethodName,
  MethodOf,
  METHODS,
} from "./wire/methods.ts";
