/**
 * What servers and clients need at the broker, as RabbitMQ's definitions: for operators who declare
 * queues, exchanges, bindings, policies and permissions themselves, by
 * `rabbitmqctl import_definitions`, and run servers and clients with `declare: false`.
 *
 * @example Definitions of one service
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { brokerDefinitions } from "@warren/rpc/definitions";
 *
 * const definitions = brokerDefinitions({
 *   services: [{ queue: "math" }],
 *   users: [{ name: "math-server", serves: ["math"] }, { name: "web", calls: true }],
 * });
 * assertEquals(definitions.queues.map(({ name }) => name), ["math", "math.parked"]);
 * console.log(JSON.stringify(definitions));
 * ```
 *
 * @module
 */

import type { AmqpQueueOptions } from "../internal/broker/amqp.ts";
import { checkInteger, checkName, checkOneOf, checkOptions, checkType } from "../internal/check.ts";
import { lockQueueOf, parkingQueueOf } from "../internal/protocol/parked_message.ts";
import { DURABLE_REPLY_PREFIX, LONGEST_REPLY_SUFFIX } from "../internal/protocol/reply_address.ts";
import {
  ADMIN_EXCHANGE,
  ADMIN_TOPOLOGY,
  CONTROL_EXCHANGE,
  CONTROL_TOPOLOGY,
  type ExchangeDeclaration,
  parkingQueueOptions,
  REPLY_QUEUE_EXPIRES_MS,
  replyQueueOptions,
  requestExchange,
  requestQueueOptions,
} from "../internal/protocol/topology.ts";

/** Options of {@linkcode brokerDefinitions}. */
export interface DefinitionsOptions {
  /** The services, each with a request queue of its own. */
  readonly services: readonly ServiceDefinition[];
  /**
   * Who serves, calls and looks after what. The users must exist when the definitions are imported,
   * as passwords are no part of them; what they may do is replaced.
   *
   * @default {[]}
   */
  readonly users?: readonly UserDefinition[];
  /**
   * The virtual host, which must exist when the definitions are imported.
   *
   * @default {"/"}
   */
  readonly virtualHost?: string;
}

/** A service, and what its request queue is to be like. */
export interface ServiceDefinition {
  /** The request queue. Its parking queue, `<queue>.parked`, comes with it. */
  readonly queue: string;
  /**
   * What the queues survive: the loss of a node, or the restart of one.
   *
   * @default {"replicated"}
   */
  readonly durability?: "replicated" | "durable";
  /**
   * Whether requests that the queue drops come back to callers with a durable reply queue, for which
   * the service has an exchange of its own, `<queue>.requests`. With `"policy"` a policy has them come
   * back, rather than an argument of the queue: servers of other libraries can declare the queue then
   * without it, and those of this one have `returns: false`. See docs/interop.md.
   *
   * @default {true}
   */
  readonly returns?: boolean | "policy";
  /**
   * Most requests that wait, at least 1: those beyond it are refused with `queue-full`. By policy.
   *
   * @default {as many as come}
   */
  readonly maxWaiting?: number;
  /**
   * How long a request rests that its server gave back or died with, before another server gets it:
   * the shortest pause, times how often that has happened, up to the longest. By policy, of a
   * replicated queue, from RabbitMQ 4.3.1 on: older brokers refuse to import it.
   *
   * @default {requests are tried again at once}
   */
  readonly delayedRetry?: DelayedRetry;
  /**
   * More keys for the policy of the request queue, such as `{ "consumer-timeout": 7_200_000 }`.
   *
   * @default {{}}
   */
  readonly policy?: Readonly<Record<string, string | number | boolean>>;
}

/** Pauses before requests are tried again, in milliseconds. */
export interface DelayedRetry {
  /**
   * The pause before the second try, from 1.
   *
   * @default {500}
   */
  readonly minMs?: number;
  /**
   * The longest pause, at least `minMs`.
   *
   * @default {30_000}
   */
  readonly maxMs?: number;
}

/** What a user of the broker does. */
export interface UserDefinition {
  /** The name of the user. */
  readonly name: string;
  /**
   * The request queues that its servers serve, which are those of services.
   *
   * @default {[]}
   */
  readonly serves?: readonly string[];
  /**
   * Whether its clients call: any service, as RabbitMQ cannot tell the queues of one exchange apart.
   *
   * @default {false}
   */
  readonly calls?: boolean;
  /**
   * Durable reply queues of its clients, without `rpc.replies.`: each is declared, with its parking
   * queue.
   *
   * @default {[]}
   */
  readonly replyQueues?: readonly string[];
  /**
   * Whether it asks servers and commands them, as `@warren/rpc/control` does: those that declare their
   * queues themselves and were started with `control: "admin"`.
   *
   * @default {false}
   */
  readonly operates?: boolean;
  /**
   * The queues whose parked messages it looks after: request queues of services, and durable reply
   * queues, with `rpc.replies.`.
   *
   * @default {[]}
   */
  readonly administers?: readonly string[];
}

/** Definitions that `rabbitmqctl import_definitions` takes, once they are JSON. */
export interface BrokerDefinitions {
  /** The exchange of each service, and the one that all clients and servers share. */
  readonly exchanges: readonly {
    readonly name: string;
    readonly vhost: string;
    readonly type: string;
    readonly durable: boolean;
    readonly auto_delete: boolean;
    readonly internal: boolean;
    readonly arguments: Readonly<Record<string, unknown>>;
  }[];
  /** Request queues, parking queues and durable reply queues. */
  readonly queues: readonly {
    readonly name: string;
    readonly vhost: string;
    readonly durable: boolean;
    readonly auto_delete: boolean;
    readonly arguments: Readonly<Record<string, unknown>>;
  }[];
  /** Which exchanges put messages into which queues. */
  readonly bindings: readonly {
    readonly source: string;
    readonly vhost: string;
    readonly destination: string;
    readonly destination_type: "queue";
    readonly routing_key: string;
    readonly arguments: Readonly<Record<string, unknown>>;
  }[];
  /** One for each service that needs one. */
  readonly policies: readonly {
    readonly name: string;
    readonly vhost: string;
    readonly pattern: string;
    readonly "apply-to": "queues";
    readonly priority: number;
    readonly definition: Readonly<Record<string, string | number | boolean>>;
  }[];
  /** What each user may do, as regular expressions for names. */
  readonly permissions: readonly {
    readonly user: string;
    readonly vhost: string;
    readonly configure: string;
    readonly write: string;
    readonly read: string;
  }[];
}

/** The default exchange, as permissions name it. */
const DEFAULT_EXCHANGE = "amq\\.default";

/** The queues that the broker names: a server looks whether its callers' are still there. */
const SERVER_NAMED_QUEUES = "amq\\.gen.*";

/** More than that of policies for everything, which have 0 most often: one policy counts. */
const POLICY_PRIORITY = 1;

/**
 * Gives definitions of all that some services need, and of what their users may do: the least.
 *
 * @param options The services and users.
 * @returns An object for `JSON.stringify()`.
 * @throws {TypeError} If a name or another option cannot be used, or a user serves or looks after what
 * is none of the services.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function brokerDefinitions(options: DefinitionsOptions): BrokerDefinitions {
  checkOptions("define", options);
  const { services, users = [], virtualHost: vhost = "/" } = options;
  const replyQueues = replyQueuesOf(users);
  checkName("define", { virtualHost: vhost });
  for (const service of services) checkService(service);
  const served = services.map(({ queue }) => queue);
  for (const user of users) checkUser(user, served, replyQueues);
  return {
    exchanges: [CONTROL_TOPOLOGY, ADMIN_TOPOLOGY, ...exchangesOf(services)].map((each) =>
      exchange(each, vhost)
    ),
    queues: [
      ...services.flatMap((service) => queuesOf(service, vhost)),
      ...replyQueues.flatMap((name) => [
        queue(name, replyQueueOptions(REPLY_QUEUE_EXPIRES_MS), vhost),
        queue(parkingQueueOf(name), parkingQueueOptions("replicated"), vhost),
      ]),
    ],
    bindings: services.filter(hasExchange).map(({ queue }) => binding(queue, vhost)),
    policies: services.flatMap((service) => policiesOf(service, vhost)),
    permissions: users.map((user) => ({ user: user.name, vhost, ...rightsOf(user, services) })),
  };
}

function hasExchange({ returns = true }: ServiceDefinition): boolean {
  return returns !== false;
}

function exchangesOf(services: readonly ServiceDefinition[]): readonly ExchangeDeclaration[] {
  return services.filter(hasExchange).map(({ queue }) => requestExchange(queue));
}

function checkService(service: ServiceDefinition): void {
  const { queue, durability, returns, maxWaiting, delayedRetry, policy } = service;
  checkName("define", { queue });
  checkName("define", { "parking queue": parkingQueueOf(queue) });
  checkName("define", { "request exchange": requestExchange(queue).name });
  checkOneOf("define", { durability }, ["replicated", "durable"]);
  if (returns !== "policy") checkType("define", { returns }, "boolean");
  checkInteger("define", { maxWaiting }, { min: 1 });
  checkType("define", { delayedRetry, policy }, "object");
  const { minMs, maxMs } = retryPauses(delayedRetry ?? {});
  checkInteger("define", { "delayedRetry.minMs": minMs }, { min: 1 });
  checkInteger("define", { "delayedRetry.maxMs": maxMs }, { min: minMs });
  if (delayedRetry === undefined || durability !== "durable") return;
  throw new TypeError(
    `Cannot define queue "${queue}" as "delayedRetry" needs durability "replicated": ` +
      'current value is "durable"',
  );
}

function checkUser(
  user: UserDefinition,
  served: readonly string[],
  replyQueues: readonly string[],
): void {
  const { name, serves, calls, operates, administers } = user;
  checkName("define", { "users.name": name });
  checkType("define", { calls, operates }, "boolean");
  for (const queue of serves ?? []) checkOneOf("define", { "users.serves": queue }, served);
  const administered = [...served, ...replyQueues];
  for (const queue of administers ?? []) {
    checkOneOf("define", { "users.administers": queue }, administered);
  }
  for (const replyQueue of user.replyQueues ?? []) {
    checkName("define", { "users.replyQueues": replyQueue });
    checkName("define", {
      "reply queue": DURABLE_REPLY_PREFIX + replyQueue + LONGEST_REPLY_SUFFIX,
    });
  }
}

/** All durable reply queues, each once. */
function replyQueuesOf(users: readonly UserDefinition[]): string[] {
  const names = users.flatMap(({ replyQueues = [] }) => replyQueues);
  return [...new Set(names)].map((name) => DURABLE_REPLY_PREFIX + name);
}

function queuesOf(service: ServiceDefinition, vhost: string): BrokerDefinitions["queues"] {
  const { queue: name, durability = "replicated", returns = true } = service;
  return [
    queue(name, requestQueueOptions(durability, returns === true ? "caller" : "none"), vhost),
    queue(parkingQueueOf(name), parkingQueueOptions(durability), vhost),
  ];
}

function policiesOf(service: ServiceDefinition, vhost: string): BrokerDefinitions["policies"] {
  const { queue, returns, maxWaiting, delayedRetry, policy } = service;
  const { minMs, maxMs } = retryPauses(delayedRetry ?? {});
  const definition = {
    // The default exchange, as in the argument of the queue.
    ...(returns === "policy" && { "dead-letter-exchange": "" }),
    ...(maxWaiting && { "max-length": maxWaiting, "overflow": "reject-publish" }),
    ...(delayedRetry && {
      // What a server gives back for other reasons than a failure is not delayed.
      "delayed-retry-type": "failed",
      "delayed-retry-min": minMs,
      "delayed-retry-max": maxMs,
    }),
    ...policy,
  };
  if (Object.keys(definition).length === 0) return [];
  return [{
    name: `rpc ${queue}`,
    vhost,
    pattern: exactly(queue),
    "apply-to": "queues",
    priority: POLICY_PRIORITY,
    definition,
  }];
}

function retryPauses({ minMs = 500, maxMs = Math.max(30_000, minMs) }: DelayedRetry) {
  return { minMs, maxMs };
}

/** From RabbitMQ 4.3 on, whoever looks whether a queue or an exchange is there needs a right to it. */
function rightsOf(
  { serves = [], calls = false, replyQueues = [], operates = false, administers = [] }:
    UserDefinition,
  services: readonly ServiceDefinition[],
) {
  const isServer = serves.length > 0;
  const isClient = calls || replyQueues.length > 0;
  const publishes = isServer || isClient || administers.length > 0;
  const parkingQueues = administers.map(parkingQueueOf);
  return {
    configure: anyOf([
      ...parkingQueues.map((name) => escape(lockQueueOf(name))),
      // For the queue to which servers answer.
      ...(operates ? [SERVER_NAMED_QUEUES] : []),
    ]),
    write: anyOf([
      ...(publishes ? [DEFAULT_EXCHANGE] : []),
      ...(isServer ? [SERVER_NAMED_QUEUES] : []),
      ...serves.map((queue) => escape(parkingQueueOf(queue))),
      ...(isClient
        ? [CONTROL_EXCHANGE, ...exchangesOf(services).map(({ name }) => name)].map(escape)
        : []),
      ...(operates ? [CONTROL_EXCHANGE, ADMIN_EXCHANGE].map(escape) : []),
    ]),
    read: anyOf([
      ...[
        ...serves,
        ...replyQueues.map((name) => DURABLE_REPLY_PREFIX + name),
        ...parkingQueues,
      ].map(escape),
      ...(operates ? [SERVER_NAMED_QUEUES] : []),
    ]),
  };
}

function exchange({ name, type }: ExchangeDeclaration, vhost: string) {
  const arguments_ = {};
  return {
    name,
    vhost,
    type,
    durable: true,
    auto_delete: false,
    internal: false,
    arguments: arguments_,
  };
}

function queue(name: string, options: AmqpQueueOptions, vhost: string) {
  const { durable = true, autoDelete = false, arguments: args = {} } = options;
  return { name, vhost, durable, auto_delete: autoDelete, arguments: args };
}

/** A request queue takes whatever is published to its exchange. */
function binding(destination: string, vhost: string) {
  return {
    source: requestExchange(destination).name,
    vhost,
    destination,
    destination_type: "queue" as const,
    routing_key: "",
    arguments: {},
  };
}

function exactly(name: string): string {
  return anyOf([escape(name)]);
}

/** A pattern for names; of nothing, one that no name fulfils. */
function anyOf(patterns: readonly string[]): string {
  if (patterns.length === 0) return "^$";
  return patterns.length === 1 ? `^${patterns[0]}$` : `^(${patterns.join("|")})$`;
}

function escape(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
