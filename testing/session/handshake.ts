/** The opening of a connection: start, tune, open. @module */

import type { User } from "../model/users.ts";
import type { VirtualHost } from "../model/virtual_host.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import { encodeText } from "../wire/byte_writer.ts";
import { decodeTable, encodeTable } from "../wire/field_table.ts";
import { type FieldTable, type FieldValue, longString, textOf } from "../wire/field_value.ts";
import type { Method, MethodArguments, MethodName } from "../wire/methods.ts";
import { authenticate, MECHANISMS } from "./authentication.ts";
import type { BrokerContext } from "./broker_context.ts";

/** What client and broker agreed on. */
export interface Agreement {
  /** Who logged in. */
  readonly user: User;
  /** The virtual host that was opened. */
  readonly virtualHost: VirtualHost;
  /** The largest frame, in bytes. */
  readonly frameMax: number;
  /** The most channels. */
  readonly channelMax: number;
  /** The heartbeat interval in seconds, 0 for none. */
  readonly heartbeatSeconds: number;
}

/** Sends a method on channel 0. */
export type SendMethod = <Name extends MethodName>(
  name: Name,
  values: MethodArguments<Name>,
) => void;

type State =
  | { readonly name: "starting" }
  | { readonly name: "tuning"; readonly user: User }
  | {
    readonly name: "opening";
    readonly user: User;
    readonly tuned: MethodArguments<"connection.tune-ok">;
  };

const CAPABILITIES = [
  "publisher_confirms",
  "exchange_exchange_bindings",
  "basic.nack",
  "consumer_cancel_notify",
  "connection.blocked",
  "consumer_priorities",
  "authentication_failure_close",
  "per_consumer_qos",
  "direct_reply_to",
];

/** The opening of one connection. */
export class Handshake {
  readonly #context: BrokerContext;
  readonly #send: SendMethod;
  #state: State = { name: "starting" };
  #capabilities: FieldTable = new Map();
  #clientName: string | undefined;

  /** Creates a handshake that has not begun. */
  constructor(context: BrokerContext, send: SendMethod) {
    this.#context = context;
    this.#send = send;
  }

  /** Tells whether the client said that it has a capability. */
  clientCan(capability: string): boolean {
    return this.#capabilities.get(capability)?.value === true;
  }

  /** The name that the client has given its connection, if it has. */
  get clientName(): string | undefined {
    return this.#clientName;
  }

  /** Greets the client. */
  start(): void {
    this.#send("connection.start", {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: serverProperties(this.#context),
      mechanisms: encodeText(MECHANISMS),
      locales: encodeText("en_US"),
    });
  }

  /**
   * Takes the client's next method; returns what was agreed once the connection is open.
   *
   * @throws {AmqpError} If the client may not connect.
   */
  handle(method: Method): Agreement | undefined {
    const state = this.#state;
    if (state.name === "starting" && method.name === "connection.start-ok") {
      return this.#authenticate(method.arguments);
    }
    if (state.name === "tuning" && method.name === "connection.tune-ok") {
      return this.#tune(state.user, method.arguments);
    }
    if (state.name === "opening" && method.name === "connection.open") {
      return this.#open(state, method.arguments.virtualHost);
    }
    throw new AmqpError("channel-error", `unexpected method in connection state ${state.name}`);
  }

  #authenticate(values: MethodArguments<"connection.start-ok">): undefined {
    const capabilities = values.clientProperties.get("capabilities");
    if (capabilities?.type === "table") this.#capabilities = decodeTable(capabilities.value);
    this.#clientName = textOf(values.clientProperties.get("connection_name"));
    const user = authenticate(this.#context, values);
    this.#state = { name: "tuning", user };
    const { limits, frameMax, heartbeatSeconds } = this.#context;
    this.#send("connection.tune", {
      channelMax: limits.maxChannels,
      frameMax,
      heartbeat: heartbeatSeconds,
    });
  }

  #tune(user: User, tuned: MethodArguments<"connection.tune-ok">): undefined {
    const { limits, rules, frameMax } = this.#context;
    assertNegotiated(tuned.frameMax, { name: "frame_max", min: rules.minFrameMax, max: frameMax });
    assertNegotiated(tuned.channelMax, { name: "channel_max", min: 1, max: limits.maxChannels });
    this.#state = { name: "opening", user, tuned };
  }

  #open({ user, tuned }: State & { name: "opening" }, name: string): Agreement {
    const virtualHost = this.#context.findVirtualHost(name);
    if (virtualHost === undefined) throw new AmqpError("not-allowed", `vhost ${name} not found`);
    if (!user.mayAccess(name)) {
      throw new AmqpError(
        "not-allowed",
        `access to vhost '${name}' refused for user '${user.name}'`,
      );
    }
    this.#send("connection.open-ok", { reserved1: "" });
    const { frameMax, channelMax, heartbeat: heartbeatSeconds } = tuned;
    return { user, virtualHost, frameMax, channelMax, heartbeatSeconds };
  }
}

function assertNegotiated(
  value: number,
  { name, min, max }: { readonly name: string; readonly min: number; readonly max: number },
): void {
  if (value >= min && value <= max) return;
  const detail = name === "channel_max" && value === 0 ? " (no limit)" : "";
  const isLow = value !== 0 && value < min;
  const bound = isLow ? `lower than the minimum` : `higher than the maximum`;
  throw new AmqpError(
    "not-allowed",
    `negotiated ${name} = ${value}${detail} is ${bound} allowed value (${isLow ? min : max})`,
  );
}

function serverProperties({ rules }: BrokerContext): FieldTable {
  const capabilities = CAPABILITIES.map((name): [string, FieldValue] => [
    name,
    { type: "bool", value: true },
  ]);
  return new Map<string, FieldValue>([
    ["capabilities", { type: "table", value: encodeTable(new Map(capabilities)) }],
    ["product", longString("Warren test broker")],
    ["version", longString(rules.version)],
    ["platform", longString("Deno")],
    ["information", longString("In-memory broker for development and tests")],
  ]);
}
