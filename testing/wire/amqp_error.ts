/** Reply codes of AMQP 0-9-1 and the errors that close a channel or a connection. @module */

/** What a violated rule closes. */
export type AmqpErrorScope = "channel" | "connection";

/** RabbitMQ's name of a reply code, as in the texts of its close methods. */
export type ReplyCodeName =
  | "content-too-large"
  | "no-route"
  | "no-consumers"
  | "connection-forced"
  | "access-refused"
  | "not-found"
  | "resource-locked"
  | "precondition-failed"
  | "frame-error"
  | "syntax-error"
  | "command-invalid"
  | "channel-error"
  | "unexpected-frame"
  | "resource-error"
  | "not-allowed"
  | "not-implemented"
  | "internal-error";

interface ReplyCode {
  readonly code: number;
  readonly text: string;
  readonly scope: AmqpErrorScope;
}

const REPLY_CODES: Record<ReplyCodeName, ReplyCode> = {
  "content-too-large": { code: 311, text: "CONTENT_TOO_LARGE", scope: "channel" },
  "no-route": { code: 312, text: "NO_ROUTE", scope: "channel" },
  "no-consumers": { code: 313, text: "NO_CONSUMERS", scope: "channel" },
  "connection-forced": { code: 320, text: "CONNECTION_FORCED", scope: "connection" },
  "access-refused": { code: 403, text: "ACCESS_REFUSED", scope: "channel" },
  "not-found": { code: 404, text: "NOT_FOUND", scope: "channel" },
  "resource-locked": { code: 405, text: "RESOURCE_LOCKED", scope: "channel" },
  "precondition-failed": { code: 406, text: "PRECONDITION_FAILED", scope: "channel" },
  "frame-error": { code: 501, text: "FRAME_ERROR", scope: "connection" },
  "syntax-error": { code: 502, text: "SYNTAX_ERROR", scope: "connection" },
  "command-invalid": { code: 503, text: "COMMAND_INVALID", scope: "connection" },
  "channel-error": { code: 504, text: "CHANNEL_ERROR", scope: "connection" },
  "unexpected-frame": { code: 505, text: "UNEXPECTED_FRAME", scope: "connection" },
  "resource-error": { code: 506, text: "RESOURCE_ERROR", scope: "connection" },
  "not-allowed": { code: 530, text: "NOT_ALLOWED", scope: "connection" },
  "not-implemented": { code: 540, text: "NOT_IMPLEMENTED", scope: "connection" },
  "internal-error": { code: 541, text: "INTERNAL_ERROR", scope: "connection" },
};

/** A violated rule of the protocol; the peer sees it as `channel.close` or `connection.close`. */
export class AmqpError extends Error {
  /** The numeric reply code, such as 404. */
  readonly replyCode: number;
  /** The reply text, such as `NOT_FOUND - no queue 'q' in vhost '/'`. */
  readonly replyText: string;
  /** What the error closes. */
  readonly scope: AmqpErrorScope;
  /** Whether RabbitMQ stumbles here: it says nothing of the reason and names no method. */
  readonly isStumble: boolean;
  /** The method that could not be read, if its name could. */
  readonly method: string | undefined;

  /** Creates an error with RabbitMQ's reply code, and its explanation if RabbitMQ gives one. */
  constructor(name: ReplyCodeName, explanation?: string, method?: string) {
    const { code, text, scope } = REPLY_CODES[name];
    const replyText = fitShortString(explanation === undefined ? text : `${text} - ${explanation}`);
    super(replyText);
    this.name = "AmqpError";
    this.replyCode = code;
    this.replyText = replyText;
    this.scope = scope;
    this.isStumble = explanation === undefined;
    this.method = method;
  }
}

/** Returns an error as the peer is to see it: a fault of ours closes a connection, never the broker. */
export function toAmqpError(error: unknown): AmqpError {
  return error instanceof AmqpError ? error : new AmqpError("internal-error", String(error));
}

/** RabbitMQ ends texts that do not fit into a short string with three dots. */
function fitShortString(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return bytes.length <= 255 ? text : new TextDecoder().decode(bytes.subarray(0, 252)) + "...";
}
