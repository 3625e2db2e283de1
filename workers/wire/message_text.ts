/**
 * Messages between threads as one text. Deno passes a string on without the structured clone, which
 * takes a quarter off the round trip of a short task. The text is a list of heads in JSON, a line
 * break, and the bodies one after the other, which so need no escapes:
 *
 * ```text
 * [[0,7,3,"add",13]]
 * {"a":1,"b":2}
 * ```
 *
 * Both ends are of one version of this package, as the pool chooses the entry file of its threads.
 *
 * @module
 */

import type {
  ItemMessage,
  PoolMessage,
  ReplyMessage,
  RunMessage,
  WorkerMessage,
} from "./protocol.ts";

type Message = PoolMessage | WorkerMessage;
type OtherMessage = Exclude<Message, RunMessage | ReplyMessage | ItemMessage>;

/** The first element of a head: what the message is. */
const Tag = { run: 0, output: 1, error: 2, item: 3, other: 4 } as const;

/** Everything of a message but its body, of which the head has the length. */
type Head =
  | readonly [typeof Tag.run, number, number, string, number, RunDetails?]
  | readonly [typeof Tag.output | typeof Tag.error, number, number, number, ReplyDetails?]
  | readonly [typeof Tag.item, Omit<ItemMessage, "body">, number]
  | readonly [typeof Tag.other, OtherMessage];

/** What most tasks lack. */
type RunDetails = Omit<RunMessage, "type" | "id" | "cell" | "procedure" | "body">;

/** So many members has a task without details. */
const PLAIN_TASK_MEMBERS = 5;

/** What is the same in most replies. */
type ReplyDetails = Pick<
  ReplyMessage,
  "contentType" | "memoryMb" | "headers" | "report" | "timing"
>;

/** The content type that replies do not name. */
const USUAL_TYPE = "application/json";

/**
 * Writes messages as one text.
 *
 * @param messages What leaves together.
 * @returns The text; `undefined` if a body is binary.
 */
export function writeMessageText(messages: readonly Message[]): string | undefined {
  let bodies = "";
  const heads: Head[] = [];
  for (const message of messages) {
    const body = "body" in message ? message.body : "";
    if (typeof body !== "string") return undefined;
    bodies += body;
    heads.push(toHead(message, body.length));
  }
  return `${JSON.stringify(heads)}\n${bodies}`;
}

/**
 * Reads what {@linkcode writeMessageText} wrote.
 *
 * @param text The text.
 * @returns The messages.
 */
export function readMessageText(text: string): Message[] {
  let bodyAt = text.indexOf("\n") + 1;
  const heads: readonly Head[] = JSON.parse(text.slice(0, bodyAt));
  const takeBody = (length: number) => text.slice(bodyAt, bodyAt += length);
  return heads.map((head) => toMessage(head, takeBody));
}

function toHead(message: Message, length: number): Head {
  switch (message.type) {
    case "run": {
      if (Object.keys(message).length === PLAIN_TASK_MEMBERS) {
        return [Tag.run, message.id, message.cell, message.procedure, length];
      }
      const { type: _type, id, cell, procedure, body: _body, ...details } = message;
      return [Tag.run, id, cell, procedure, length, details];
    }
    case "output":
    case "error": {
      // Whole microseconds have fewer digits.
      const runUs = Math.round(message.runMs * 1_000);
      if (message.contentType === USUAL_TYPE && isPlain(message)) {
        return [Tag[message.type], message.id, runUs, length];
      }
      const { type, id, runMs: _runMs, body: _body, ...details } = message;
      return [Tag[type], id, runUs, length, details];
    }
    case "item":
    case "progress": {
      const { body: _body, ...rest } = message;
      return [Tag.item, rest, length];
    }
    default:
      return [Tag.other, message];
  }
}

/** Tells whether a reply has nothing that most replies lack. */
function isPlain({ memoryMb, headers, report, timing }: ReplyMessage): boolean {
  return memoryMb === undefined && headers === undefined && report === undefined &&
    timing === undefined;
}

function toMessage(head: Head, takeBody: (length: number) => string): Message {
  switch (head[0]) {
    case Tag.run: {
      const body = takeBody(head[4]);
      return { type: "run", id: head[1], cell: head[2], procedure: head[3], body, ...head[5] };
    }
    case Tag.output:
    case Tag.error: {
      const type = head[0] === Tag.output ? "output" : "error";
      const [id, runMs, body] = [head[1], head[2] / 1_000, takeBody(head[3])];
      return { type, id, runMs, body, contentType: USUAL_TYPE, ...head[4] };
    }
    case Tag.item: {
      const [, rest, length] = head;
      return { ...rest, body: takeBody(length) };
    }
    case Tag.other:
      return head[1];
  }
}
