/** What connections and channels know of the broker around them. @module */

import type { Clock } from "../clock.ts";
import type { Faults } from "../faults.ts";
import type { MethodLog } from "../method_log.ts";
import type { User } from "../model/users.ts";
import type { VersionRules } from "../model/version_rules.ts";
import type { VirtualHost } from "../model/virtual_host.ts";

/** Bounds on what one connection may ask for. */
export interface ConnectionLimits {
  /** The most channels of a connection. */
  readonly maxChannels: number;
  /** The most consumers of a channel. */
  readonly maxConsumers: number;
  /** The deepest nesting of field tables. */
  readonly maxTableDepth: number;
}

/** What connections and channels know of the broker around them. */
export interface BrokerContext {
  /** What the version does whose behaviour is followed. */
  readonly rules: VersionRules;
  /** The largest frame that the broker proposes, in bytes. */
  readonly frameMax: number;
  /** The largest body, in bytes. */
  readonly maxMessageBytes: number;
  /** How long a delivery may stay unsettled, in milliseconds. */
  readonly consumerTimeoutMs: number;
  /** The heartbeat interval that the broker proposes, in seconds. */
  readonly heartbeatSeconds: number;
  /** Bounds on what one connection may ask for. */
  readonly limits: ConnectionLimits;
  /** Source of time. */
  readonly clock: Clock;
  /** Faults that tests asked for. */
  readonly faults: Faults;
  /** The methods that went over the wire. */
  readonly log: MethodLog;
  /** Why publishers are blocked, or `undefined` if they are not. */
  readonly blockedReason: string | undefined;
  /** Returns a user by name. */
  findUser(name: string): User | undefined;
  /** Returns a virtual host by name. */
  findVirtualHost(name: string): VirtualHost | undefined;
}
