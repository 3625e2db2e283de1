/**
 * Batches of plain requests, which have a procedure, an input of JSON and a deadline, and no more; and
 * of their replies. A line of text for each, so that all of it is encoded once, and decoded once: a
 * message for each is what costs. The format is in docs/protocol.md.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { decodeUtf8 } from "../../../codec.ts";
import type { AmqpDelivery, AmqpProperties, AmqpPublish } from "../../broker/amqp.ts";
import { isShortText, toPrintable } from "../../text.ts";
import {
  BATCH_TYPE,
  expirationAfter,
  hasFewHeaders,
  MAX_PARTS,
  ownHeaders,
} from "../message_batch.ts";

/** What the body is. */
const PLAIN_CONTENT_TYPE = "application/vnd.warren.rpc-plain-batch";

/** A request of a batch. */
export interface PlainRequest {
  /** Its number, from 0: its correlation id is that of the batch with it. */
  readonly index: number;
  readonly procedure: string;
  /** Its input, as JSON on one line. */
  readonly body: string;
  /** Unix milliseconds. */
  readonly deadline: number;
}

/** Requests that came in one message. */
export interface PlainRequests {
  /** What their ids begin with. */
  readonly id: string;
  readonly requests: readonly PlainRequest[];
}

/** A reply, and the number of its request. */
export interface PlainReply {
  readonly index: number;
  readonly isError: boolean;
  readonly body: string;
}

/** What stands before the inputs: one of each list for each request. */
interface RequestsHead {
  readonly procedures: readonly string[];
  readonly deadline: number;
  /** Which of the procedures; absent if there is but one. */
  readonly calls?: readonly number[];
  /** How much later the deadlines are than the earliest, in milliseconds; absent if none is. */
  readonly later?: readonly number[];
  /** The numbers of the requests; absent if these are all from 0 on. */
  readonly numbers?: readonly number[];
}

/** What stands before the outputs. */
interface RepliesHead {
  /** The number of the request of each line; absent if these are all numbers from `first` on. */
  readonly replies?: readonly number[];
  readonly first?: number;
  /** Which of the lines are errors. */
  readonly errors?: readonly number[];
}

/** Tells whether a message is such a batch. */
export function isPlainBatch({ contentType, type }: AmqpProperties): boolean {
  return contentType === PLAIN_CONTENT_TYPE && type === BATCH_TYPE;
}

/** The correlation id of a part. */
export function partId(id: string, index: number): string {
  return `${id}.${index}`;
}

/** Whether a body can be a line. What our codec for JSON writes is one, whatever the value. */
export function isLine(body: unknown): body is string {
  return typeof body === "string" && !body.includes("\n");
}

/**
 * Writes requests.
 *
 * @param id The correlation id of the batch.
 * @param first The message of the first of them, alone.
 * @param requests All of them: at least one, and at most {@linkcode MAX_PARTS}.
 */
export function encodePlainRequests(
  id: string,
  first: AmqpPublish,
  requests: readonly PlainRequest[],
): AmqpPublish {
  const deadline = requests.reduce((least, each) => Math.min(least, each.deadline), Infinity);
  const procedures: string[] = [];
  const calls: number[] = [];
  const later: number[] = [];
  const numbers: number[] = [];
  let [isLater, isRun] = [false, true];
  let text = "";
  for (const request of requests) {
    if (request.index !== numbers.length) isRun = false;
    numbers.push(request.index);
    let known = procedures.length - 1;
    if (procedures[known] !== request.procedure) {
      known = procedures.indexOf(request.procedure);
      if (known < 0) known = procedures.push(request.procedure) - 1;
    }
    calls.push(known);
    later.push(request.deadline - deadline);
    if (request.deadline !== deadline) isLater = true;
    text += `\n${request.body}`;
  }
  const head: RequestsHead = {
    procedures,
    deadline,
    ...procedures.length > 1 && { calls },
    ...isLater && { later },
    ...!isRun && { numbers },
  };
  return plainMessage(first, id, Buffer.from(JSON.stringify(head) + text, "utf8"));
}

/** Reads requests; `undefined` if all of it has not the right form: anybody may have written it. */
export function readPlainRequests(delivery: AmqpDelivery): PlainRequests | undefined {
  const { correlationId: id, headers } = delivery.properties;
  const read = readLines(delivery.body);
  if (read === undefined || id === undefined) return undefined;
  const { lines } = read;
  const count = lines.length - 1;
  if (!isRequestsHead(read.head, count) || !hasFewHeaders(headers, count)) return undefined;
  const { procedures, calls, later, numbers, deadline } = read.head;
  if (!isShortText(partId(id, numbers ? Math.max(...numbers) : count - 1))) return undefined;
  // Whatever errors and events repeat must not write lines of its own into a log.
  const names = procedures.map((name) => toPrintable(name));
  const requests: PlainRequest[] = [];
  for (let index = 0; index < count; index++) {
    const procedure = names[calls?.[index] ?? 0];
    if (procedure === undefined) return undefined;
    requests.push({
      index: numbers?.[index] ?? index,
      procedure,
      body: lines[index + 1] ?? "",
      deadline: deadline + (later?.[index] ?? 0),
    });
  }
  return { id, requests };
}

/**
 * Writes replies.
 *
 * @param id The correlation id of the batch of their requests.
 * @param first The message of one of them, alone.
 * @param replies All of them, in the order of their requests.
 */
export function encodePlainReplies(
  id: string,
  first: AmqpPublish,
  replies: readonly PlainReply[],
): AmqpPublish {
  const start = replies[0]?.index ?? 0;
  const numbers: number[] = [];
  const errors: number[] = [];
  let isRun = true;
  let text = "";
  for (const { index, isError, body } of replies) {
    if (index !== start + numbers.length) isRun = false;
    if (isError) errors.push(numbers.length);
    numbers.push(index);
    text += `\n${body}`;
  }
  const head: RepliesHead = {
    ...isRun ? { first: start } : { replies: numbers },
    ...errors.length > 0 && { errors },
  };
  return plainMessage(first, id, Buffer.from(JSON.stringify(head) + text, "utf8"));
}

/** Reads replies; `undefined` if all of it has not the right form. */
export function readPlainReplies(body: Uint8Array): readonly PlainReply[] | undefined {
  const read = readLines(body);
  if (read === undefined || !isRepliesHead(read.head, read.lines.length - 1)) return undefined;
  const { replies, first = 0, errors } = read.head;
  const failed = errors && new Set(errors);
  const found: PlainReply[] = [];
  for (let line = 1; line < read.lines.length; line++) {
    const index = replies?.[line - 1] ?? first + line - 1;
    found.push({ index, isError: failed?.has(line - 1) ?? false, body: read.lines[line] ?? "" });
  }
  return found;
}

/**
 * The message of a part, for all that does not know it as a line: as if it had come alone. Of what is no
 * header of ours the broker might make copies, wherever the part is sent to.
 */
export function plainPart(
  { properties }: AmqpDelivery,
  id: string,
  { type, body, headers, laterMs = 0 }: {
    readonly type: string;
    readonly body: string;
    readonly headers?: AmqpProperties["headers"];
    /** By how much its deadline is later than the earliest. */
    readonly laterMs?: number;
  },
): { readonly properties: AmqpProperties; readonly body: Uint8Array } {
  const { deliveryMode, expiration, priority, replyTo, malformed } = properties;
  return {
    body: Buffer.from(body, "utf8"),
    properties: {
      contentType: "application/json",
      correlationId: id,
      deliveryMode,
      expiration: expirationAfter(expiration, laterMs),
      priority,
      replyTo,
      type,
      messageId: undefined,
      headers: { ...ownHeaders(properties.headers), ...headers },
      ...malformed !== undefined && { malformed },
    },
  };
}

function plainMessage(first: AmqpPublish, correlationId: string, body: Buffer): AmqpPublish {
  const { messageId: _, ...properties } = first.properties;
  return {
    ...first,
    body,
    properties: { ...properties, contentType: PLAIN_CONTENT_TYPE, type: BATCH_TYPE, correlationId },
  };
}

/** The head, and the lines with that of the head in front. */
function readLines(
  body: Uint8Array,
): { readonly head: unknown; readonly lines: readonly string[] } | undefined {
  try {
    const lines = decodeUtf8(body).split("\n", MAX_PARTS + 2);
    const isFull = lines.length > 1 && lines.length <= MAX_PARTS + 1;
    return isFull ? { head: JSON.parse(lines[0] ?? ""), lines } : undefined;
  } catch {
    return undefined;
  }
}

function isRequestsHead(head: unknown, count: number): head is RequestsHead {
  if (typeof head !== "object" || head === null) return false;
  const { procedures, deadline, calls, later, numbers } = head as Readonly<Record<string, unknown>>;
  if (!Array.isArray(procedures) || procedures.length > count) return false;
  // Those of other forms are requests, but of programs that know no batches.
  const areNames = procedures.every((name) =>
    typeof name === "string" && name !== "" && name !== BATCH_TYPE && isShortText(name)
  );
  return areNames && Number.isSafeInteger(deadline) && isColumn(calls, count) &&
    isColumn(later, count) && isColumn(numbers, count);
}

function isRepliesHead(head: unknown, count: number): head is RepliesHead {
  if (typeof head !== "object" || head === null) return false;
  const { replies, first, errors } = head as Readonly<Record<string, unknown>>;
  return isColumn(replies, count) && isColumn(errors, { max: count }) &&
    isColumn(first === undefined ? first : [first], 1);
}

/** Numbers, one for each line, or for some. */
function isColumn(column: unknown, count: number | { readonly max: number }): boolean {
  if (column === undefined) return true;
  if (!Array.isArray(column)) return false;
  const { length } = column;
  const isFull = typeof count === "number" ? length === count : length <= count.max;
  return isFull && column.every((value) => Number.isSafeInteger(value) && value >= 0);
}
