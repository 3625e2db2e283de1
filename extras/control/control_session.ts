/** What an operator has on a connection: a queue for answers, and channels for questions. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpDelivery, AmqpLink } from "../../internal/broker/amqp.ts";
import { amqpCodeOf } from "../../internal/broker/amqp_error.ts";
import { BodyLimits } from "../../internal/broker/body_limits.ts";
import type { Session } from "../../internal/broker/connection.ts";
import { Publisher } from "../../internal/broker/publisher.ts";
import {
  type ControlQuestion,
  isAnswer,
  isChanging,
  questionMessage,
  type ServerIdentity,
} from "../../internal/protocol/control_question.ts";
import { readAnswer } from "../../internal/protocol/control/control_answer.ts";
import { ADMIN_EXCHANGE } from "../../internal/protocol/topology.ts";
import { toPrintable } from "../../internal/text.ts";
import { waitAtMost } from "../../internal/time.ts";

/** A question that is not sent yet. */
export type Question = Omit<ControlQuestion, "id" | "replyTo">;

/** An operator's session. */
export interface ControlSession extends Session {
  /**
   * Asks servers.
   *
   * @returns The answers that came until there were as many as expected, or the time was over.
   * @throws {RpcError} `unroutable` if no server can be asked; `access-refused`; `disconnected`.
   */
  ask(question: Question, wait: AnswerWait): Promise<TimedAnswer[]>;
  /** Looks at a queue; `undefined` if there is none. */
  inspect(queue: string, timeoutMs: number): Promise<QueueCounts | undefined>;
  /** What the broker is. */
  broker(): BrokerState;
}

/** What an operator's connection knows of the broker. */
export interface BrokerState {
  /** Such as `RabbitMQ`; empty if it does not say. */
  readonly product: string;
  /** Such as `4.3.6`; empty if it does not say. */
  readonly version: string;
  /** The largest frame that it and this connection take, in bytes; 0 without a limit. */
  readonly maxFrameBytes: number;
  /** Why it takes no messages for now; absent if it does, or none was sent since it began. */
  readonly blocked?: string;
}

/** How long answers are waited for. */
export interface AnswerWait {
  readonly expect: number;
  readonly timeoutMs: number;
}

/** An answer, and how long it took. */
export type TimedAnswer = ServerIdentity & { readonly roundTripMs: number };

/** What the broker says of a queue. */
interface QueueCounts {
  readonly ready: number;
  readonly consumers: number;
}

/** A question whose answers are waited for. */
interface Pending {
  readonly verb: Question["verb"];
  readonly onAnswer: (answer: ServerIdentity) => void;
}

/** Declares the queue for answers, and consumes it. */
export async function openControlSession(
  connection: AmqpLink,
  confirmTimeoutMs: number,
): Promise<ControlSession> {
  const channel = await connection.openChannel();
  const pending = new Map<string, Pending>();
  const replyTo = await channel.declareQueue("", { exclusive: true, autoDelete: true });
  await channel.consume(replyTo, { noAck: true }, (delivery) => {
    // Somebody deleted the queue: a new session gets a new one. close() never rejects.
    if (delivery === undefined) return void channel.close();
    readInto(pending, delivery);
  });
  return {
    channels: [channel],
    async ask(question, wait) {
      const ask = async (user: string | undefined) => {
        // A channel of its own: a refusal closes it.
        const options = { confirmTimeoutMs, limits: new BodyLimits() };
        await using publisher = disposable(await Publisher.open(connection, options));
        const asked = { ...question, user, id: crypto.randomUUID(), replyTo };
        const reasonOf = () => connection.blockedReason;
        return await collect(pending, asked, { ...wait, publisher, reasonOf });
      };
      try {
        return await ask(question.user);
      } catch (error) {
        // Who logs in with a token may have another name than the URL has: then it is not told.
        const isMisnamed = error instanceof RpcError && amqpCodeOf(error.cause) === 406;
        if (!isMisnamed || question.user === undefined) throw error;
        return await ask(undefined);
      }
    },
    async inspect(queue, timeoutMs) {
      const looked = inspect(connection, queue);
      if (await waitAtMost(timeoutMs, looked)) return await looked;
      // Nobody waits for it any more.
      looked.catch(() => {});
      throw notTaken(`Cannot look at queue "${queue}"`, connection.blockedReason);
    },
    broker: () => brokerOf(connection),
  };
}

function brokerOf({ features, maxFrameBytes, blockedReason }: AmqpLink): BrokerState {
  const { product, version } = features;
  const blocked = blockedReason === undefined ? {} : { blocked: blockedReason };
  return { product, version, maxFrameBytes, ...blocked };
}

function disposable(publisher: Publisher): Publisher & AsyncDisposable {
  return Object.assign(publisher, { [Symbol.asyncDispose]: () => publisher.close() });
}

function readInto(pending: ReadonlyMap<string, Pending>, { properties, body }: AmqpDelivery): void {
  const asked = pending.get(properties.correlationId ?? "");
  if (asked === undefined || !isAnswer(properties)) return;
  const answer = readAnswer(asked.verb, body);
  if (answer !== undefined) asked.onAnswer(answer);
}

async function collect(
  pending: Map<string, Pending>,
  question: ControlQuestion,
  { publisher, expect, timeoutMs, reasonOf }: AnswerWait & {
    readonly publisher: Publisher;
    /** Why the broker takes no messages for now. */
    readonly reasonOf: () => string | undefined;
  },
): Promise<TimedAnswer[]> {
  const answers = new Map<string, TimedAnswer>();
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const askedAt = performance.now();
  pending.set(question.id, {
    verb: question.verb,
    onAnswer(answer) {
      const roundTripMs = Math.round((performance.now() - askedAt) * 100) / 100;
      answers.set(answer.id, { ...answer, roundTripMs });
      if (answers.size >= expect) resolve();
    },
  });
  try {
    const published = publish(publisher, question);
    // A broker that is short of memory confirms once it no longer is.
    if (await waitAtMost(timeoutMs, published)) await published;
    else {
      published.catch(() => {});
      if (answers.size === 0) throw notTaken(subjectOf(question), reasonOf());
    }
    await waitAtMost(timeoutMs - (performance.now() - askedAt), enough);
    return [...answers.values()].toSorted(byPlace);
  } finally {
    pending.delete(question.id);
  }
}

async function publish(publisher: Publisher, question: ControlQuestion): Promise<void> {
  const subject = subjectOf(question);
  const message = questionMessage(question);
  switch (await publisher.publish(() => message)) {
    case "confirmed":
      return;
    case "returned":
      throw new RpcError(
        "unroutable",
        `${subject} as none can be asked: ${noneReason(message.exchange)}`,
      );
    case "suspect":
      throw refusal(subject, message.exchange ?? "", await publisher.closed);
    default:
      throw refusal(subject, message.exchange ?? "");
  }
}

function subjectOf({ verb, queue }: Question): string {
  const action = isChanging(verb) ? verb : "ask";
  return queue === undefined
    ? `Cannot ${action} servers`
    : `Cannot ${action} servers of queue "${queue}"`;
}

function notTaken(subject: string, blockedReason: string | undefined): RpcError {
  const reason = blockedReason === undefined
    ? "the broker does not answer in time"
    : `the broker takes no messages for now: ${toPrintable(blockedReason)}`;
  return new RpcError("timeout", `${subject} as ${reason}`, { retryable: true });
}

function noneReason(exchange: string | undefined): string {
  return exchange === ADMIN_EXCHANGE
    ? 'start one with "control" set to "admin"'
    : "none runs, or those that run are of a version without this";
}

function refusal(subject: string, exchange: string, cause?: Error): RpcError {
  switch (amqpCodeOf(cause)) {
    case 403:
      return new RpcError(
        "access-refused",
        `${subject} as the user may not write to exchange "${exchange}": see docs/permissions.md`,
        { cause },
      );
    case 404:
      return new RpcError(
        "unroutable",
        `${subject} as there is no exchange "${exchange}": ${noneReason(exchange)}`,
        { cause },
      );
    default:
      return new RpcError("disconnected", `${subject} as the connection was lost`, {
        cause,
        retryable: true,
      });
  }
}

async function inspect(connection: AmqpLink, queue: string): Promise<QueueCounts | undefined> {
  try {
    return await connection.onOwnChannel(async (channel) => ({
      ready: await channel.checkQueue(queue),
      consumers: await channel.countConsumers(queue),
    }));
  } catch (error) {
    if (amqpCodeOf(error) === 404) return undefined;
    if (amqpCodeOf(error) !== 403) throw error;
    const message = `Cannot look at queue "${queue}" as the user has no right to it`;
    throw new RpcError("access-refused", message, { cause: error });
  }
}

function byPlace(one: ServerIdentity, other: ServerIdentity): number {
  return one.name.localeCompare(other.name) || one.id.localeCompare(other.id);
}
