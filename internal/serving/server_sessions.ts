/** What a server has on its two connections: a consumer on one, a publisher on the other. @module */

import type { AmqpChannel, AmqpDelivery, AmqpLink, AmqpQueueOptions } from "../broker/amqp.ts";
import { amqpCodeOf, isDownWithNode } from "../broker/amqp_error.ts";
import type { Connection, Session } from "../broker/connection.ts";
import type { BrokerNode } from "../../options/interceptors.ts";
import { type ControlMessage, readControl } from "../protocol/envelope.ts";
import { NodeStart } from "./callers/node_start.ts";
import { Intake, type IntakeOptions, type RequestTaker } from "./intake.ts";
import { ServerExchanges } from "../protocol/server_exchanges.ts";
import { ADMIN_EXCHANGE } from "../protocol/topology.ts";
import { Publisher, type PublisherOptions } from "../broker/publisher.ts";

/** The sessions of one server, each kept alive on a connection; absent until that is first open. */
export interface ServerSessions {
  /** Where requests come from. */
  consumer?: Connection<ConsumerSession>;
  /** Where replies go. */
  publisher?: Connection<PublisherSession>;
}

/** Takes deliveries from the request queue. */
export interface ConsumerSession extends Session {
  readonly intake: Intake;
  /** The node that requests come from. */
  readonly broker: BrokerNode;
  /** Where this server takes control messages; absent if it may not. */
  readonly controlQueue: string | undefined;
  /** Tells whether a queue does not exist for certain; `undefined` if the user may not know. */
  lacksQueue(queue: string): Promise<boolean | undefined>;
  /**
   * Whether the node can change what the cluster knows, or the user may not try. A node that is cut
   * off does not answer.
   */
  hasMajority(): Promise<boolean>;
  /** Tells whether a queue is there and has no consumer. */
  isUnattended(queue: string): Promise<boolean>;
}

/** Publishes replies. A broker that is short of memory blocks this connection only. */
export interface PublisherSession extends Session {
  readonly publisher: Publisher;
  /** Declares a queue, which the broker may refuse without harm. */
  declareQueue(name: string, options: AmqpQueueOptions): Promise<void>;
  /**
   * Resolves once the node knows of all queues that there were when it was asked; to `false` if the
   * user may not ask. A node that is cut off does not answer. Absent where nodes know at once.
   */
  readonly catchUp?: () => Promise<boolean>;
  /** Absent where direct replies are not lost, whatever the node is doing. */
  readonly nodeStart?: NodeStart;
}

/** Options of {@linkcode openConsumerSession}. */
export interface ConsumerOptions extends Omit<IntakeOptions, "onDeclared"> {
  readonly requests: RequestTaker & {
    /** Does what a client says of a request. */
    obey(message: ControlMessage): void;
  };
  readonly questions: QuestionTaker;
  /** Where the connection goes. */
  readonly broker: BrokerNode;
}

/** Takes what operators ask and tell a server. */
export interface QuestionTaker {
  /** Whether administrators may tell it what to do. */
  readonly hasAdministrators: boolean;
  /** Takes a control message that is none of a client. Never throws. */
  ask(delivery: AmqpDelivery): void;
}

/** Declares the request queue and consumes it. */
export async function openConsumerSession(
  connection: AmqpLink,
  options: ConsumerOptions,
): Promise<ConsumerSession> {
  const channel = await connection.openChannel();
  const exchanges = new ServerExchanges({
    ...options,
    hasAdministrators: options.questions.hasAdministrators,
    // A new session gets a new one. close() never rejects.
    onVanished: () => void channel.close(),
  });
  const controlQueue = await tryControl(connection, channel, { ...options, exchanges });
  const intake = await Intake.start(connection, channel, {
    ...options,
    onDeclared: (returns) => exchanges.onDeclared(returns),
  });
  return {
    channels: [channel],
    broker: options.broker,
    intake,
    controlQueue,
    lacksQueue: (queue) => lacksQueue(connection, queue),
    // Who declares nothing cannot find out.
    hasMajority: () => options.declare ? canDeclare(connection, true) : Promise.resolve(true),
    isUnattended: async (queue) =>
      await connection.onOwnChannel((channel) => channel.countConsumers(queue)) === 0,
  };
}

/**
 * Listens for control messages, unless the server declares nothing, in a queue of this server's own,
 * on a channel of its own: a user who may not loses that one, and deadlines have to do.
 */
async function tryControl(
  connection: AmqpLink,
  session: AmqpChannel,
  { declare, requests, questions, onNoReturns, exchanges }: ConsumerOptions & {
    readonly exchanges: ServerExchanges;
  },
): Promise<string | undefined> {
  if (!declare) return undefined;
  try {
    const channel = await connection.openChannel();
    const controlQueue = await channel.declareQueue("", { exclusive: true, autoDelete: true });
    await channel.consume(controlQueue, { noAck: true }, (delivery) => {
      // Somebody deleted the queue: a new session gets a new one. close() never rejects.
      if (delivery === undefined) return void session.close();
      const isAdministrators = delivery.exchange === ADMIN_EXCHANGE;
      const message = isAdministrators ? undefined : readControl(delivery.properties);
      if (message === undefined) questions.ask(delivery);
      else requests.obey(message);
    });
    await exchanges.open(connection, controlQueue);
    return controlQueue;
  } catch (error) {
    onNoReturns(error);
    return undefined;
  }
}

async function lacksQueue(
  connection: AmqpLink,
  queue: string,
): Promise<boolean | undefined> {
  try {
    await connection.onOwnChannel((channel) => channel.checkQueue(queue));
    return false;
  } catch (error) {
    const code = amqpCodeOf(error);
    // 405: it is there, and it is another connection's. A node that is down brings its queues back.
    return code === 403 ? undefined : code === 404 && !isDownWithNode(error);
  }
}

/**
 * Has the cluster agree on a change, which the node knows of before it answers, and of all that was
 * agreed on before.
 *
 * @param otherwise What it resolves to if the user may not do that.
 */
async function canDeclare(connection: AmqpLink, otherwise: boolean): Promise<boolean> {
  try {
    // Nobody uses it: the broker removes it at once.
    const queue = { exclusive: true, arguments: { "x-expires": 1 } };
    await connection.onOwnChannel((channel) => channel.declareQueue("", queue));
    return true;
  } catch (error) {
    if (amqpCodeOf(error) === 403) return otherwise;
    throw error;
  }
}

/** Opens a channel for replies. */
export async function openPublisherSession(
  connection: AmqpLink,
  options: PublisherOptions & { readonly declare: boolean },
): Promise<PublisherSession> {
  const publisher = await Publisher.open(connection, options);
  return {
    channels: [publisher],
    publisher,
    async declareQueue(name, options) {
      await connection.onOwnChannel((channel) => channel.declareQueue(name, options));
    },
    ...connection.features.mayLag && {
      catchUp: () => options.declare ? canDeclare(connection, false) : Promise.resolve(false),
    },
    ...connection.features.dropsEarlyReplies && {
      nodeStart: new NodeStart((address) => lacksQueue(connection, address)),
    },
  };
}
