/** What the control interface steers: a test broker, as far as it needs to know it. @module */

import type { Clock } from "../clock.ts";
import type { Faults } from "../faults.ts";
import type { MethodLog } from "../method_log.ts";
import type { UserOptions } from "../model/users.ts";
import type { Compat } from "../model/version_rules.ts";

/** What the control interface works on. */
export interface ControlTarget {
  /** The broker. */
  readonly broker: ControlledBroker;
  /** The RabbitMQ version that it follows. */
  readonly compat: Compat;
  /** Source of time. */
  readonly clock: Clock;
}

/** A broker that can be steered. */
export interface ControlledBroker {
  /** The URL with the first user's name and password. */
  readonly url: string;
  /** Faults to be injected. */
  readonly faults: Faults;
  /** The methods that went over the wire. */
  readonly log: MethodLog;
  /** Returns what is known of the open connections. */
  connections(): readonly object[];
  /** Returns what is known of the queues of a virtual host. */
  queues(virtualHost?: string): readonly object[];
  /** Returns the names of the users. */
  users(): readonly string[];
  /** Adds a user, or changes one. */
  setUser(options: UserOptions): void;
  /** Deletes a user. */
  deleteUser(name: string): void;
  /** Adds a virtual host. */
  addVirtualHost(name: string): void;
  /** Cancels the consumers of a queue. */
  cancelConsumers(queue: string, virtualHost?: string): void;
  /** Closes connections. */
  closeConnections(reason?: string, connection?: number): void;
  /** Drops connections. */
  resetConnections(connection?: number): void;
  /** Stops listening. */
  stopApp(): Promise<void>;
  /** Listens again. */
  startApp(): Promise<void>;
  /** Stops listening, and listens again. */
  restart(): Promise<void>;
}
