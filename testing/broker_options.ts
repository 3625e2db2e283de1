/** Options of the test broker, and their checks. @module */

import {
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkType,
  wrongValue,
} from "../internal/check.ts";
import type { Clock } from "./clock.ts";
import { checkUser, type UserOptions } from "./model/users.ts";
import { type Compat, COMPAT_VERSIONS, rulesOf } from "./model/version_rules.ts";
import type { ConnectionLimits } from "./session/broker_context.ts";
import { MAX_TABLE_DEPTH } from "./wire/field_table.ts";

/** Bounds that keep a faulty peer from filling the memory. */
export interface BrokerLimits extends ConnectionLimits {
  /** The most connections. @default {1000} */
  readonly maxConnections: number;
  /** The most queues of a virtual host. @default {10000} */
  readonly maxQueues: number;
  /** The most exchanges of a virtual host. @default {10000} */
  readonly maxExchanges: number;
  /** The most bindings of a virtual host. @default {100000} */
  readonly maxBindings: number;
  /** The bytes of stored bodies at which publishers are blocked. @default {268435456} */
  readonly maxMemoryBytes: number;
}

/** Options of {@linkcode TestBroker.start}. */
export interface TestBrokerOptions {
  /** The TCP port, 0 for a free one. @default {0} */
  readonly port?: number;
  /**
   * The port of 127.0.0.1 for the control interface, by which programs in other languages ask for
   * faults, move the clock, change users and read the log; 0 for a free one. @default none
   */
  readonly controlPort?: number;
  /** The address to listen on. @default {"127.0.0.1"} */
  readonly hostname?: string;
  /** The RabbitMQ version to follow where versions differ. @default {"3.10"} */
  readonly compat?: Compat;
  /**
   * The largest frame that the broker proposes, in bytes, from 4096 (8192 as 4.3) to 2147483647.
   * @default {131072}
   */
  readonly frameMax?: number;
  /**
   * The largest body, in bytes, from 1 to 536870912.
   * @default {134217728 as 3.10, 16777216 as 4.0 and 4.3}
   */
  readonly maxMessageBytes?: number;
  /**
   * How long a delivery may stay unsettled, in milliseconds; `Infinity` for ever.
   * @default {1800000}
   */
  readonly consumerTimeoutMs?: number;
  /** The users; at least one. @default {[{ name: "guest", password: "guest" }]} */
  readonly users?: readonly UserOptions[];
  /** Virtual hosts besides "/" and those of the users' permissions. @default {[]} */
  readonly virtualHosts?: readonly string[];
  /**
   * The heartbeat interval that the broker proposes, in seconds, up to 65535; 0 for none.
   * @default {60}
   */
  readonly heartbeatSeconds?: number;
  /** Source of time; see {@linkcode VirtualClock}. @default the system's clock */
  readonly clock?: Clock;
  /** The number of methods that the log keeps. @default {10000} */
  readonly logCapacity?: number;
  /** Bounds that keep a faulty peer from filling the memory. */
  readonly limits?: Partial<BrokerLimits>;
}

/** The bounds unless told otherwise. */
export const DEFAULT_LIMITS: BrokerLimits = {
  maxConnections: 1000,
  maxChannels: 2047,
  maxConsumers: 10_000,
  maxQueues: 10_000,
  maxExchanges: 10_000,
  maxBindings: 100_000,
  maxTableDepth: MAX_TABLE_DEPTH,
  maxMemoryBytes: 268_435_456,
};

/** The user unless told otherwise. */
export const DEFAULT_USERS: readonly UserOptions[] = [{ name: "guest", password: "guest" }];

/** The highest TCP port, and the longest heartbeat interval in seconds. */
export const MAX_SHORT = 65_535;

/** The largest value of a signed integer of 32 bits. */
const MAX_INTEGER = 2 ** 31 - 1;

/** The largest `max_message_size` of RabbitMQ, in bytes. */
export const LARGEST_MESSAGE_BYTES: number = 512 * 1024 * 1024;

/**
 * Checks the options of a broker.
 *
 * @throws {RangeError} If a number is out of its bounds.
 * @throws {TypeError} If something is not of its type, or no regular expression.
 */
export function checkBrokerOptions(options: TestBrokerOptions): void {
  checkOptions("start broker", options);
  const { port, controlPort, hostname, compat, frameMax, maxMessageBytes, consumerTimeoutMs } =
    options;
  const { heartbeatSeconds, logCapacity, clock, limits } = options;
  checkInteger("start broker", { port, controlPort }, { min: 0, max: MAX_SHORT });
  checkType("start broker", { hostname }, "string");
  checkOneOf("start broker", { compat }, COMPAT_VERSIONS);
  const { minFrameMax } = rulesOf(compat ?? "3.10");
  checkInteger("start broker", { frameMax }, { min: minFrameMax, max: MAX_INTEGER });
  checkInteger("start broker", { maxMessageBytes }, { min: 1, max: LARGEST_MESSAGE_BYTES });
  checkNumber("start broker", { consumerTimeoutMs }, { min: 1 });
  checkInteger("start broker", { heartbeatSeconds }, { min: 0, max: MAX_SHORT });
  checkInteger("start broker", { logCapacity }, { min: 0 });
  checkType("start broker", { clock, limits }, "object");
  checkLimits({ ...limits });
  checkUsers(options);
}

function checkLimits({ maxChannels, ...limits }: Partial<BrokerLimits>): void {
  checkInteger("start broker", { maxChannels }, { min: 1, max: MAX_SHORT });
  checkInteger("start broker", { ...limits }, { min: 1 });
}

function checkUsers({ users = DEFAULT_USERS, virtualHosts = [] }: TestBrokerOptions): void {
  if (!Array.isArray(users) || users.length === 0) {
    throw new TypeError(wrongValue("start broker", ["users", users], "a list of at least one"));
  }
  for (const user of users) checkUser("start broker", user);
  if (!Array.isArray(virtualHosts) || !virtualHosts.every((name) => typeof name === "string")) {
    const value = ["virtualHosts", virtualHosts] as const;
    throw new TypeError(wrongValue("start broker", value, "a list of texts"));
  }
}
