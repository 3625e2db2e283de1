/**
 * What operators ask servers, and what these answer: which property and header carries what. The full
 * text is docs/protocol.md.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { RpcServerStats } from "../../options/server_options.ts";
import type { AmqpDelivery, AmqpProperties, AmqpPublish } from "../broker/amqp.ts";
import { readText } from "../text.ts";
import { isServerNamed } from "./reply_address.ts";
import { ADMIN_EXCHANGE, CONTROL_EXCHANGE } from "./topology.ts";

/** The routing key that reaches the servers of all queues. */
export const ALL_SERVERS = "#all";

/** Names the one server that is meant. */
const SERVER_HEADER = "rpc-server";

/** The `type` of an answer. */
const ANSWER = "control-reply";

/** How the `type` of an answer's body begins, which says its version. */
export const ANSWER_TYPE_PREFIX = "warren.rpc.v1.";

/** The longest body of a question, in bytes. */
const MAX_QUESTION_BYTES = 16_384;

/** What whoever may write to the control exchange can ask. */
const READING_VERBS = ["ping", "info", "stats", "active", "why"] as const;

/** What administrators alone can tell. */
const CHANGING_VERBS = ["pause", "resume", "drain", "cancel", "scale"] as const;

/** What can be asked. */
export type ReadingVerb = typeof READING_VERBS[number];

/** What can be told. */
export type ChangingVerb = typeof CHANGING_VERBS[number];

/** Whether a server takes requests. */
export type ServerCondition = "serving" | "paused" | "draining";

/** Who answers. */
export interface ServerIdentity {
  /** The request queue that it serves. */
  readonly name: string;
  /** Tells it from other servers; another one after each start. */
  readonly id: string;
  /** The host that it runs on; absent if its program may not know. */
  readonly host?: string;
  /** Its process. */
  readonly pid: number;
}

/** An answer to `ping`. */
export interface ServerPing extends ServerIdentity {
  /** How long its loop kept the question waiting, in milliseconds. */
  readonly loopDelayMs: number;
  /** Its clock, in Unix milliseconds; absent before version 0.2.0. */
  readonly now?: number;
}

/** What a server says of one of its procedures. */
export interface ProcedureInfo {
  /** Its name. */
  readonly name: string;
  /** Absent if the server cannot know, as a pool's workers run it. */
  readonly kind?: "call" | "stream";
  /** What it is for. */
  readonly description?: string;
  /** JSON Schema of its input. */
  readonly input?: unknown;
  /** JSON Schema of its output. */
  readonly output?: unknown;
}

/** An answer to `info`. */
export interface ServerInfo extends ServerIdentity {
  /** The version of this package. */
  readonly version: string;
  /** What runs it, such as `Deno 2.9.6`. */
  readonly platform: string;
  /** When it was started, as ISO 8601. */
  readonly started: string;
  /** Whether it takes requests. */
  readonly state: ServerCondition;
  /** Whether it does what administrators tell it. */
  readonly control: "read" | "admin";
  /** The most requests that it has in hand. */
  readonly prefetch: number;
  /** The largest body that it takes, in bytes. */
  readonly maxBodyBytes?: number;
  /** What it declares its queue to survive, as its option has it. */
  readonly durability?: string;
  /** Whether requests that its queue drops come back to their callers; absent if that is not known. */
  readonly returns?: boolean;
  /** Its procedures. */
  readonly endpoints: readonly ProcedureInfo[];
  /** Present if the schemas were left out, as the answer would have been too large. */
  readonly schemasOmitted?: true;
}

/** What a server counts of one of its procedures. Times are milliseconds, percentiles of late. */
export interface ProcedureStats {
  /** `_OTHER` for all that the server does not have. */
  readonly name: string;
  /** Requests that were settled. */
  readonly numRequests: number;
  /** Those of them that failed. */
  readonly numErrors: number;
  /** When the last one failed, as ISO 8601, and with which code; absent if none did. */
  readonly lastError?: { readonly at: string; readonly outcome: string };
  /** All of it together. */
  readonly processingTime: number;
  /** The mean of all. */
  readonly averageProcessingTime: number;
  /** Half of them took less. */
  readonly p50: number;
  /** 95 % of them took less. */
  readonly p95: number;
  /** 99 % of them took less. */
  readonly p99: number;
  /** How old requests were when the server got them, if their callers are of this package. */
  readonly waitP95?: number;
  /** Requests in hand. */
  readonly inHand: number;
}

/** An answer to `stats`. */
export interface ServerStats extends ServerIdentity {
  /** The version of this package. */
  readonly version: string;
  /** When it was started, as ISO 8601. */
  readonly started: string;
  /** Whether it takes requests. */
  readonly state: ServerCondition;
  /** Requests in hand. */
  readonly inHand: number;
  /** The most requests that it has in hand. */
  readonly prefetch: number;
  /** How old requests were of late when they came, in milliseconds; absent if none came. */
  readonly lagMs?: number;
  /** What its `stats()` gives. */
  readonly counts: RpcServerStats;
  /** The pools behind its procedures. */
  readonly pools: readonly {
    readonly workers: number;
    readonly busy: number;
    readonly crashed: number;
    readonly waiting: number;
  }[];
  /** Its procedures. */
  readonly endpoints: readonly ProcedureStats[];
}

/** A request that a server has in hand. */
export interface RequestReport {
  /** Made from its correlation id, and of no use for cancelling it as a client does. */
  readonly id: string;
  /** The procedure that it calls. */
  readonly procedure: string;
  /** `waiting` for a worker; `settling`: only its reply is under way. */
  readonly state: "running" | "waiting" | "settling";
  /** The number of the pool's worker that runs it. */
  readonly worker?: number;
  /** How many wait for a worker before it. */
  readonly ahead?: number;
  /** For how long it has been in this state, as far as is known, in milliseconds. */
  readonly forMs: number;
  /** The last number that it told as its progress, if its caller wants to know. */
  readonly progress?: number;
  /** Tells callers apart: made from the reply queue, and of no use for sending anything there. */
  readonly caller?: string;
  /** 1 the first time that it was delivered. */
  readonly attempt: number;
}

/** An answer to `active`. */
export interface ServerActive extends ServerIdentity {
  /** How many there are, those included that were left out. */
  readonly total: number;
  /** Those that are the longest in hand. */
  readonly requests: readonly RequestReport[];
}

/** An answer to `why`. */
export interface ServerWhy extends ServerIdentity {
  /** Whether it takes requests. */
  readonly state: ServerCondition;
  /** Requests in hand. */
  readonly inHand: number;
  /** The most requests that it has in hand. */
  readonly prefetch: number;
  /** Absent if this server does not have it in hand. */
  readonly request?: RequestReport;
}

/** An answer to an administrator. */
export interface ServerChange extends ServerIdentity {
  /** Whether it takes requests. */
  readonly state: ServerCondition;
  /** Requests in hand. */
  readonly inHand: number;
  /** How many requests were cancelled. */
  readonly cancelled?: number;
  /** How many workers its pools have from now on. */
  readonly workers?: number;
  /** Why the server did not do it. */
  readonly refused?: string;
}

/** What is asked or told, beside the verb. */
export interface ControlQuestion {
  readonly verb: ReadingVerb | ChangingVerb;
  /** A request queue; absent for the servers of all queues. */
  readonly queue: string | undefined;
  /** The one server that is meant; absent for all. */
  readonly server: string | undefined;
  readonly id: string;
  readonly replyTo: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Who asks, as the broker knows them. */
  readonly user?: string | undefined;
}

/** What is known of a question before its body is read. */
export interface QuestionHead {
  readonly verb: ReadingVerb | ChangingVerb;
  readonly server: string | undefined;
  readonly id: string;
  readonly replyTo: string;
  readonly user: string | undefined;
}

/** A question as it came. */
export interface IncomingQuestion extends QuestionHead {
  readonly body: Readonly<Record<string, unknown>>;
}

/** Characters of the ids by which operators know requests. */
export const REQUEST_ID_CHARS = 12;

/** The id by which operators know a request: nobody learns its correlation id from it. */
export function operatorsIdOf(correlationId: string): string {
  return createHash("sha256").update(correlationId).digest("hex").slice(0, REQUEST_ID_CHARS);
}

/** Writes a question. The broker returns it if no server can get it. */
export function questionMessage(question: ControlQuestion): AmqpPublish {
  const { verb, queue = ALL_SERVERS, server, id, replyTo, body, user } = question;
  return {
    exchange: isChanging(verb) ? ADMIN_EXCHANGE : CONTROL_EXCHANGE,
    routingKey: queue,
    body: JSON.stringify(body),
    mandatory: true,
    properties: {
      type: verb,
      contentType: "application/json",
      correlationId: id,
      replyTo,
      deliveryMode: 1,
      headers: server === undefined ? {} : { [SERVER_HEADER]: server },
      userId: user,
    },
  };
}

/**
 * Reads a question, but for its body. Anybody may have written it: what changes something is none
 * unless it came through the exchange of administrators, and as the broker says that, not a header.
 *
 * @returns `undefined` if it is none that is known, or asks for an answer where none is given: to a queue
 * that the broker has not named.
 */
export function readQuestionHead(delivery: AmqpDelivery): QuestionHead | undefined {
  const { type: verb = "", correlationId, replyTo, headers, userId } = delivery.properties;
  const isAdministrators = delivery.exchange === ADMIN_EXCHANGE;
  const isKnown = isAdministrators ? isChanging : isReading;
  if (!isKnown(verb)) return undefined;
  // What a queue has dropped comes with the name of an exchange to which nobody has published.
  if (isAdministrators && headers?.["x-death"] !== undefined) return undefined;
  if (correlationId === undefined || replyTo === undefined || !isServerNamed(replyTo)) {
    return undefined;
  }
  const server = headers?.[SERVER_HEADER];
  return { verb, server: readText(server), id: correlationId, replyTo, user: userId };
}

/**
 * Reads the body of a question, which takes longer than all else if it is none.
 *
 * @returns `undefined` if it is too long, or no object of JSON.
 */
export function readQuestionBody(body: Uint8Array): IncomingQuestion["body"] | undefined {
  if (body.length === 0) return {};
  return body.length > MAX_QUESTION_BYTES ? undefined : readObject(body);
}

/** Writes an answer. Nobody waits for it who is gone. */
export function answerMessage(
  { verb, id, replyTo }: Pick<QuestionHead, "verb" | "id" | "replyTo">,
  answer: ServerIdentity,
): AmqpPublish {
  return {
    routingKey: replyTo,
    body: JSON.stringify({ type: ANSWER_TYPE_PREFIX + verb, ...answer }),
    mandatory: false,
    properties: {
      type: ANSWER,
      contentType: "application/json",
      correlationId: id,
      deliveryMode: 1,
    },
  };
}

/** Tells whether a message is an answer to a question. */
export function isAnswer({ type }: AmqpProperties): boolean {
  return type === ANSWER;
}

/** Tells whether a verb asks, and changes nothing. */
export function isReading(verb: string): verb is ReadingVerb {
  return (READING_VERBS as readonly string[]).includes(verb);
}

/** Tells whether a verb changes what a server does. */
export function isChanging(verb: string): verb is ChangingVerb {
  return (CHANGING_VERBS as readonly string[]).includes(verb);
}

const utf8 = new TextDecoder();

/** Reads a body that is to be an object of JSON. */
export function readObject(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(utf8.decode(body));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Tells whether a value of JSON is an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
