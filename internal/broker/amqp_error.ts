/** Reads what the broker says in its errors: a reply code, and for all else a text. @module */

/** An error with which the broker has closed a channel or a connection. */
export type AmqpError = Error & { readonly code: number };

function isAmqpError(error: unknown): error is AmqpError {
  return error instanceof Error && "code" in error && typeof error.code === "number";
}

/**
 * The reply code with which the broker closed a channel or a connection, such as 404 for a queue that
 * does not exist; `undefined` of any other error.
 */
export function amqpCodeOf(error: unknown): number | undefined {
  return isAmqpError(error) ? error.code : undefined;
}

/** Says why a connection was lost, where amqplib says what in its own code went wrong. */
export function explainLoss(error: Error): Error {
  // Of a socket that was destroyed, the reason why.
  if (error.name === "AbortError" && error.cause instanceof Error) return error.cause;
  if (!(error instanceof TypeError) || error.message !== "reply is not a function") return error;
  const reason = "Cannot go on with the broker as it has answered what nobody has asked";
  return new Error(reason, { cause: error });
}

/** Tells whether the broker names something in its error, which has no field for it. */
export function namesInError(error: unknown, name: string): boolean {
  return error instanceof Error && error.message.includes(name);
}

/** Tells whether a queue cannot be consumed as somebody else consumes it alone. */
export function isConsumedAlone(error: unknown): boolean {
  return amqpCodeOf(error) === 403 && namesInError(error, "exclusive");
}

/** Tells whether a durable queue that the broker does not find is on a node that is down. */
export function isDownWithNode(error: unknown): boolean {
  return amqpCodeOf(error) === 404 && namesInError(error, "is down or inaccessible");
}

const SIZE_REGEXP = /message size \d+ is larger than (?:configured )?max size (\d+)/;

/**
 * Reads the largest body that the broker takes, in bytes, if it has closed a channel as a message had a
 * larger one.
 */
export function readMaxBodyBytes(error: unknown): number | undefined {
  if (!isAmqpError(error) || error.code !== 406) return undefined;
  const [, maxBytes] = SIZE_REGEXP.exec(error.message) ?? [];
  return maxBytes === undefined ? undefined : Number(maxBytes);
}

const DENIED_FEATURE_REGEXP = /Feature `(\w+)` is deprecated/;

/** Reads which deprecated feature the broker denies, if that is why it has closed a connection. */
export function readDeniedFeature(error: unknown): string | undefined {
  const [, feature] = (error instanceof Error && DENIED_FEATURE_REGEXP.exec(error.message)) || [];
  return feature;
}

/** An argument of a queue that exists already, with which it was declared otherwise. */
export interface AmqpMismatch {
  readonly argument: string;
  readonly received: string;
  readonly current: string;
}

/** RabbitMQ names the first argument that differs; quotes vary with its version. */
const MISMATCH_REGEXP =
  /inequivalent arg '([^']+)'.*received (.+?) but current is (.+?)(?:$|"|\)| with)/;

/** Reads which argument of a queue differs, if the broker says so. */
export function readMismatch(error: unknown): AmqpMismatch | undefined {
  const match = error instanceof Error ? MISMATCH_REGEXP.exec(error.message) : null;
  if (match === null) return undefined;
  const [, argument = "", received = "", current = ""] = match;
  return { argument, received, current };
}
