/**
 * Batches: several messages in one, as the broker's cost is per message. The format is in
 * docs/protocol.md.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Body } from "../../codec.ts";
import type { AmqpDelivery, AmqpProperties, AmqpPublish, Settler } from "../broker/amqp.ts";
import { isShortText, readNumber, readText } from "../text.ts";
import { MAX_TIMEOUT_MS } from "../time.ts";

/** What the body of a batch is. */
const BATCH_CONTENT_TYPE = "application/vnd.warren.rpc-batch";

/** What a server that knows no batches takes for the name of a procedure, and refuses. */
export const BATCH_TYPE = "rpc.batch";

/** Says that whoever sends the message takes batches. */
export const BATCHES_HEADER = "rpc-batches";

/** The header of whoever does. */
export const TAKES_BATCHES: Readonly<Record<string, true>> = { [BATCHES_HEADER]: true };

/** When the caller of a request stops waiting, in Unix milliseconds. */
export const DEADLINE_HEADER = "rpc-deadline";

const LENGTH_BYTES = 4;

/** Most messages in a batch. */
export const MAX_PARTS = 1_000;

/** The most that the headers of a part take, and those of all parts: each part has the common ones, too. */
const [MAX_HEADERS_SIZE, MAX_ALL_HEADERS_SIZE] = [131_072, 4_194_304] as const;

/** What a header takes beside its name and its text. */
const HEADER_SIZE = 16;

/** By them the broker would deliver a part elsewhere, too, or refuse it, and close the channel. */
const COPIES_REGEXP = /^b?cc$/i;

/** What a part says of itself. */
interface PartProperties {
  readonly type?: string | undefined;
  readonly contentType?: string | undefined;
  readonly messageId?: string | undefined;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
}

/** Its correlation id, the bytes of its body, and where it differs from what is common to all. */
type Part = readonly [id: string, bytes: number, own?: PartProperties];

/** What stands before the bodies. */
interface Head {
  readonly common: PartProperties;
  readonly parts: readonly Part[];
}

/** A part that was given back. */
export type FailedPart = Pick<AmqpDelivery, "properties" | "body">;

/** Tells whether a message is a batch. */
export function isBatch({ contentType, type }: AmqpProperties): boolean {
  return contentType === BATCH_CONTENT_TYPE && type === BATCH_TYPE;
}

/** Tells whether whoever has sent a message takes batches. */
export function takesBatches({ headers }: AmqpProperties): boolean {
  return headers?.[BATCHES_HEADER] === true;
}

/**
 * Makes one message of several, which go to the same queue.
 *
 * @param id The correlation id of the batch.
 * @param messages The messages: at least one, and the first stands for all in what a batch has once.
 */
export function encodeMessageBatch(id: string, messages: readonly AmqpPublish[]): AmqpPublish {
  const [first] = messages;
  if (first === undefined) throw new Error("Cannot make a batch as there are no messages");
  const { deliveryMode, priority, replyTo, headers } = first.properties;
  const common = { ...propertiesOf(first.properties), messageId: undefined };
  const bodies = messages.map(({ body }) => bytesOf(body));
  const parts = messages.map(({ properties }, index): Part => {
    const { correlationId = "" } = properties;
    const bytes = bodies[index]?.length ?? 0;
    const own = difference(common, propertiesOf(properties));
    return own === undefined ? [correlationId, bytes] : [correlationId, bytes, own];
  });
  const head = Buffer.from(JSON.stringify({ common, parts } satisfies Head), "utf8");
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32BE(head.length);
  return {
    exchange: first.exchange,
    routingKey: first.routingKey,
    mandatory: first.mandatory,
    body: Buffer.concat([length, head, ...bodies]),
    properties: {
      contentType: BATCH_CONTENT_TYPE,
      correlationId: id,
      deliveryMode,
      expiration: shortest(messages),
      // By them version 0.1.0 finds the caller when its queue drops the batch.
      headers: ownHeaders(headers),
      priority,
      replyTo,
      type: BATCH_TYPE,
    },
  };
}

/**
 * Takes a batch apart. It is acknowledged when all its parts are.
 *
 * @param delivery The batch.
 * @param onFailed Settles the batch if parts were given back, once all are settled.
 * @returns Its parts; none if it is malformed.
 */
export function splitBatch(
  delivery: AmqpDelivery,
  onFailed: (parts: readonly FailedPart[]) => void = () => delivery.requeue(),
): AmqpDelivery[] {
  const { body } = delivery;
  const split = readHead(body);
  if (split === undefined) return [];
  const { head, end } = split;
  const settlement = new Settlement(delivery, head.parts.length, onFailed);
  const common = commonProperties(delivery.properties, head.common);
  const all = head.parts.map(([id, , own]) => partProperties(common, id, own));
  const earliest = all.reduce((least, each) => Math.min(least, deadlineOf(each)), Infinity);
  let start = end;
  return head.parts.map(([, bytes], index) => {
    const properties = all[index] ?? common;
    const expiration = expirationAfter(properties.expiration, deadlineOf(properties) - earliest);
    const part = delivery.part(settlement, {
      properties: expiration === properties.expiration ? properties : { ...properties, expiration },
      body: body.subarray(start, start + bytes),
    });
    start += bytes;
    return part;
  });
}

/**
 * The time of a part: that of its batch is the shortest of all.
 *
 * @param laterMs By how much its deadline is later than the earliest.
 */
export function expirationAfter(
  expiration: string | undefined,
  laterMs: number,
): string | undefined {
  const ms = Number.parseInt(expiration ?? "", 10) + laterMs;
  // What is no time has none that could be longer.
  return laterMs > 0 && !Number.isNaN(ms) ? String(Math.min(ms, MAX_TIMEOUT_MS)) : expiration;
}

/** A reply has none. */
function deadlineOf({ headers }: AmqpProperties): number {
  return readNumber(headers?.[DEADLINE_HEADER]) ?? Infinity;
}

/** A part, as it is told of. */
interface SettledMessage {
  readonly properties: object;
  readonly content: Uint8Array;
}

/** Settles a batch when all its parts are settled. */
export class Settlement implements Settler {
  readonly #delivery: AmqpDelivery;
  readonly #onFailed: (parts: readonly FailedPart[]) => void;
  readonly #failed: FailedPart[] = [];
  #left: number;

  constructor(
    delivery: AmqpDelivery,
    count: number,
    onFailed: (parts: readonly FailedPart[]) => void,
  ) {
    this.#delivery = delivery;
    this.#left = count;
    this.#onFailed = onFailed;
  }

  get isOpen(): boolean {
    return !this.#delivery.isLost;
  }

  ack(): void {
    this.ackMany(1);
  }

  /** Tells that so many parts are dealt with. */
  ackMany(count: number): void {
    this.#left -= count;
    if (this.#left > 0 || count === 0) return;
    if (this.#failed.length === 0) this.#delivery.ack();
    else this.#onFailed(this.#failed);
  }

  requeue(message: SettledMessage): void {
    this.giveBack(message);
  }

  giveBack({ properties, content }: SettledMessage): void {
    // It is what the part was made of.
    this.#failed.push({ properties: properties as AmqpProperties, body: content });
    this.ack();
  }
}

/** Without those of the user's, which are the parts', and of the broker's. */
export function ownHeaders(headers: AmqpProperties["headers"] = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("rpc-")));
}

/** How much a message adds to a batch: UTF-16 units and bytes, nearly. */
export function batchedSize(body: Body, headers: AmqpProperties["headers"]): number {
  let size = body.length;
  for (const name in headers) {
    const value = headers[name];
    size += name.length + (typeof value === "string" ? value.length : 0);
  }
  return size;
}

function bytesOf(body: Body): Uint8Array {
  return typeof body === "string" ? Buffer.from(body, "utf8") : body;
}

/** A message id that is the correlation id says nothing. */
function propertiesOf(
  { type, contentType, messageId, correlationId, headers }: AmqpProperties,
): PartProperties {
  return {
    type,
    contentType,
    messageId: messageId === correlationId ? undefined : messageId,
    headers,
  };
}

/** What is left out of JSON is as in what is common; `null` is not there. */
function difference(common: PartProperties, own: PartProperties): PartProperties | undefined {
  const headers = headerDifference(common.headers ?? {}, own.headers ?? {});
  const type = own.type === common.type ? undefined : own.type;
  const contentType = own.contentType === common.contentType ? undefined : own.contentType;
  const { messageId } = own;
  const isSame = headers === undefined && type === undefined && contentType === undefined;
  return isSame && messageId === undefined ? undefined : { type, contentType, messageId, headers };
}

function headerDifference(
  common: Readonly<Record<string, unknown>>,
  own: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  let found: Record<string, unknown> | undefined;
  for (const name in own) {
    if (own[name] !== common[name]) (found ??= {})[name] = own[name];
  }
  for (const name in common) {
    if (common[name] !== undefined && own[name] === undefined) (found ??= {})[name] = null;
  }
  return found;
}

/** The broker takes whole milliseconds as text; absent is for ever. */
function shortest(messages: readonly AmqpPublish[]): string | undefined {
  let least = Infinity;
  for (const { properties: { expiration } } of messages) {
    if (expiration !== undefined) least = Math.min(least, Number(expiration));
  }
  return least === Infinity ? undefined : String(least);
}

/** What most parts are alike in is made once. */
function commonProperties(
  { deliveryMode, expiration, priority, replyTo, malformed }: AmqpProperties,
  { type, contentType, headers }: PartProperties,
): AmqpProperties {
  return {
    deliveryMode,
    expiration,
    priority,
    replyTo,
    type: readText(type),
    contentType: readText(contentType),
    messageId: undefined,
    headers: plainOnes(headers),
    ...malformed !== undefined && { malformed },
  };
}

function partProperties(
  common: AmqpProperties,
  correlationId: string,
  own: PartProperties | undefined,
): AmqpProperties {
  if (own === undefined) return { ...common, correlationId };
  const { type = common.type, contentType = common.contentType, messageId, headers } = own;
  return {
    ...common,
    correlationId,
    type: readText(type),
    contentType: readText(contentType),
    messageId: readText(messageId),
    headers: headers === undefined ? common.headers : plainOnes({ ...common.headers, ...headers }),
  };
}

/** Others do not travel in a batch. */
function plainOnes(headers: unknown): Record<string, unknown> {
  if (typeof headers !== "object" || headers === null) return {};
  return Object.fromEntries(Object.entries(headers).filter(isPlainHeader));
}

function isPlainHeader([name, value]: readonly [name: string, value: unknown]): boolean {
  return isPlain(value) && isShortText(name) && !COPIES_REGEXP.test(name);
}

function isPlain(value: unknown): boolean {
  return typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
}

/** Anybody may have written it: it is read only if all of it has the right form. */
function readHead(
  body: Uint8Array,
): { readonly head: Head; readonly end: number } | undefined {
  if (body.length < LENGTH_BYTES) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const end = LENGTH_BYTES + view.getUint32(0);
  if (end > body.length) return undefined;
  const bytes = body.subarray(LENGTH_BYTES, end);
  try {
    const head: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isHead(head) && bodyBytes(head) === body.length - end ? { head, end } : undefined;
  } catch {
    return undefined;
  }
}

function isHead(head: unknown): head is Head {
  if (!isObject(head) || !isPlainPart(head.common) || !Array.isArray(head.parts)) return false;
  const { parts } = head;
  if (parts.length === 0 || parts.length > MAX_PARTS || !parts.every(isPart)) return false;
  return haveFewHeaders(head as unknown as Head);
}

/** A short text makes many headers if it stands for each of a thousand parts. */
function haveFewHeaders({ common, parts }: Head): boolean {
  const commonSize = headersSize(common.headers);
  let all = commonSize;
  for (const [, , own] of parts) {
    if (own?.headers === undefined) continue;
    const size = commonSize + headersSize(own.headers);
    if (size > MAX_HEADERS_SIZE) return false;
    all += size;
  }
  return commonSize <= MAX_HEADERS_SIZE && all <= MAX_ALL_HEADERS_SIZE;
}

/** Tells whether so many parts may have the same headers. */
export function hasFewHeaders(headers: AmqpProperties["headers"], parts: number): boolean {
  const size = headersSize(headers);
  return size <= MAX_HEADERS_SIZE && size * parts <= MAX_ALL_HEADERS_SIZE;
}

function headersSize(headers: AmqpProperties["headers"]): number {
  return batchedSize("", headers) + HEADER_SIZE * Object.keys(headers ?? {}).length;
}

function isPart(part: unknown): boolean {
  if (!Array.isArray(part)) return false;
  const [id, bytes, own]: readonly unknown[] = part;
  if (typeof id !== "string" || !isShortText(id)) return false;
  if (!Number.isSafeInteger(bytes) || Number(bytes) < 0) return false;
  return own === undefined || isPlainPart(own);
}

/** Batches in batches would be taken apart without end; what is no short text is no property. */
function isPlainPart(own: unknown): boolean {
  if (!isObject(own) || own.type === BATCH_TYPE) return false;
  const texts = [own.type, own.contentType, own.messageId];
  return texts.every((text) => typeof text !== "string" || isShortText(text));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bodyBytes({ parts }: Head): number {
  return parts.reduce((sum, [, bytes]) => sum + bytes, 0);
}
