/** The options of a client and of its calls: checked, with their defaults. @module */

import { type Codec, jsonCodec } from "../../codec.ts";
import type {
  BatchingOptions,
  DurableReplyQueue,
  ReplyQueue,
  RpcClientOptions,
} from "../../options/client_options.ts";
import type { BrokerUrl } from "../../options/connect_options.ts";
import type { ClientInterceptor } from "../../options/interceptors.ts";
import type { RpcClientEvent } from "../../options/events.ts";
import { type ConnectSettings, resolveConnectOptions } from "../broker/connect_settings.ts";
import {
  checkCodecs,
  checkFunctions,
  checkInteger,
  checkKeys,
  checkName,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkType,
  type Complete,
  DEFAULT_MAX_BODY_BYTES,
  wrongValue,
} from "../check.ts";
import { checkHeaderName } from "../message_headers.ts";
import { safeObserver } from "../observer.ts";
import { OperatorLog } from "../operator_log.ts";
import { StateWatch } from "../state_watch.ts";
import { MAX_PARTS } from "../protocol/message_batch.ts";
import {
  DURABLE_REPLY_PREFIX,
  isBesideReplyQueue,
  LONGEST_REPLY_SUFFIX,
} from "../protocol/reply_address.ts";
import { REPLY_QUEUE_EXPIRES_MS } from "../protocol/topology.ts";
import { isShortText, MAX_SHORT_TEXT_BYTES } from "../text.ts";
import { MAX_TIMEOUT_MS } from "../time.ts";

/** {@linkcode RpcClientOptions}, complete. */
export interface ClientSettings extends ConnectSettings {
  readonly queue: string;
  /** Which queue a call takes, if not always the same. */
  readonly route: RpcClientOptions["route"];
  readonly timeoutMs: number;
  readonly maxPending: number;
  readonly maxBodyBytes: number;
  /** How large batches get; absent unless calls may share messages. */
  readonly batching: Complete<BatchingOptions> | undefined;
  readonly replyQueue: Exclude<ReplyQueue, DurableReplyQueue> | Complete<DurableReplyQueue>;
  /** Whether anything is declared. */
  readonly declare: boolean;
  /** Writes inputs. */
  readonly codec: Codec;
  /** Read outputs, beside JSON and plain bytes. */
  readonly codecs: readonly Codec[];
  readonly inputs: NonNullable<RpcClientOptions["inputs"]>;
  readonly outputs: NonNullable<RpcClientOptions["outputs"]>;
  readonly errors: NonNullable<RpcClientOptions["errors"]>;
  /** Whose idempotency keys those of this client are; absent for its own. */
  readonly callerId: string | undefined;
  /** Sign and verify what replies say of callbacks by name; none of them without keys. */
  readonly callbackKeys: readonly (string | Uint8Array)[];
  readonly unknownCallbacks: "park" | "drop";
  /** Whether it is asked where a request is before its call times out. */
  readonly explainTimeouts: boolean;
  /** What calls inherit; absent if nothing. */
  readonly forwardHeaders: readonly string[] | undefined;
  /** Around calls; absent if there are none. */
  readonly interceptors: readonly ClientInterceptor[] | undefined;
  readonly onEvent: (event: RpcClientEvent) => void;
  /** What the client is at, by its events. */
  readonly watch: StateWatch<"connected">;
  /** Whether somebody is told of events. */
  readonly isObserved: boolean;
}

/** What RabbitMQ takes as `x-expires`. */
const MAX_EXPIRES_MS = 2 ** 32 - 1;

const BATCHING: Complete<BatchingOptions> = { maxCalls: 256, maxBytes: 65_536, maxDelayMs: 0 };

const TIMEOUT_BOUNDS = { min: 1, max: MAX_TIMEOUT_MS };

/**
 * Checks and completes the options of a client.
 *
 * @throws {TypeError} If a URL, a name or another option cannot be used.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function resolveClientOptions(
  place: BrokerUrl | ConnectSettings,
  options: RpcClientOptions,
): ClientSettings {
  checkOptions("connect", options);
  const {
    queue,
    timeoutMs = 30_000,
    maxPending = 10_000,
    maxBodyBytes = DEFAULT_MAX_BODY_BYTES,
    declare = true,
    replyQueue = declare ? "exclusive" : "direct",
    callbackKeys = [],
    unknownCallbacks = "park",
    codecs = [],
    explainTimeouts = true,
  } = options;
  checkName("connect", { queue });
  checkInteger("connect", { timeoutMs }, TIMEOUT_BOUNDS);
  checkInteger("connect", { maxPending, maxBodyBytes }, { min: 1 });
  checkType("connect", { declare, explainTimeouts }, "boolean");
  checkReplyQueue(replyQueue, declare);
  checkKeys("connect", { callbackKeys: options.callbackKeys });
  checkOneOf("connect", { unknownCallbacks }, ["park", "drop"]);
  checkCodecs("connect", codecs);
  return {
    ...resolveConnectOptions(place, options, `${queue} client`),
    queue,
    timeoutMs,
    maxPending,
    maxBodyBytes,
    batching: resolveBatching(options.batching),
    replyQueue: withExpiry(replyQueue),
    // Copies: whoever overwrites a key later must not change what signs.
    callbackKeys: callbackKeys.map((key) => typeof key === "string" ? key : key.slice()),
    unknownCallbacks,
    explainTimeouts,
    declare,
    codec: codecs[0] ?? jsonCodec,
    codecs,
    ...resolveTables(options),
    callerId: checkedCallerId(options),
    ...resolveHooks(options),
    ...watchOver(options),
  };
}

function checkedCallerId({ callerId }: RpcClientOptions): string | undefined {
  if (callerId !== undefined) checkName("connect", { callerId });
  return callerId;
}

function watchOver(
  { queue, onEvent, log = onEvent === undefined }: RpcClientOptions,
): Pick<ClientSettings, "onEvent" | "watch"> {
  checkType("connect", { onEvent }, "function");
  checkType("connect", { log }, "boolean");
  const lines = log ? new OperatorLog(`Client of "${queue}"`) : undefined;
  const watch = new StateWatch("connected", ["client"], (state) => lines?.onState(state));
  const observe = safeObserver(onEvent);
  return {
    watch,
    onEvent(event) {
      watch.observe("client", event);
      observe(event);
    },
  };
}

function withExpiry(replyQueue: ReplyQueue): ClientSettings["replyQueue"] {
  return typeof replyQueue === "string"
    ? replyQueue
    : { ...replyQueue, expiresMs: replyQueue.expiresMs ?? REPLY_QUEUE_EXPIRES_MS };
}

function resolveBatching(batching: RpcClientOptions["batching"]): ClientSettings["batching"] {
  if (batching === undefined || batching === false) return undefined;
  if (batching === true) return BATCHING;
  checkType("connect", { batching }, "object");
  const { maxCalls, maxBytes, maxDelayMs } = batching;
  checkInteger("connect", { "batching.maxCalls": maxCalls }, { min: 2, max: MAX_PARTS });
  checkInteger("connect", { "batching.maxBytes": maxBytes }, { min: 1 });
  checkNumber("connect", { "batching.maxDelayMs": maxDelayMs }, { min: 0, max: MAX_TIMEOUT_MS });
  return {
    maxCalls: maxCalls ?? BATCHING.maxCalls,
    maxBytes: maxBytes ?? BATCHING.maxBytes,
    maxDelayMs: maxDelayMs ?? BATCHING.maxDelayMs,
  };
}

/** Checks where replies are to go, before anything is connected. */
function checkReplyQueue(replyQueue: ReplyQueue, declare: boolean): void {
  if (replyQueue === "direct") return;
  if (replyQueue === "exclusive") {
    if (declare) return;
    const kind = '"direct" or the name of a durable queue as "declare" is false';
    throw new TypeError(wrongValue("connect", ["replyQueue", replyQueue], kind));
  }
  if (typeof replyQueue !== "object" || replyQueue === null) {
    const kind = '"exclusive", "direct" or the name of a durable queue, as in { name: "billing" }';
    throw new TypeError(wrongValue("connect", ["replyQueue", replyQueue], kind));
  }
  const { name, expiresMs } = replyQueue;
  const around = DURABLE_REPLY_PREFIX + LONGEST_REPLY_SUFFIX;
  const isText = typeof name === "string" && name !== "";
  if (!isText || !isShortText(around + name) || isBesideReplyQueue(name)) {
    const maxBytes = MAX_SHORT_TEXT_BYTES - around.length;
    const kind = `a text of 1 to ${maxBytes} bytes that does not end in ".parked" or ".lock"`;
    throw new TypeError(wrongValue("connect", ["replyQueue.name", name], kind));
  }
  checkInteger("connect", { "replyQueue.expiresMs": expiresMs }, { min: 1, max: MAX_EXPIRES_MS });
  if (declare || expiresMs === undefined) return;
  const kind = 'absent as "declare" is false';
  throw new TypeError(wrongValue("connect", ["replyQueue.expiresMs", expiresMs], kind));
}

/** Checks and completes what is put around calls, or sees them. */
function resolveHooks(
  { route, forwardHeaders, interceptors, onEvent }: RpcClientOptions,
): Pick<ClientSettings, "route" | "forwardHeaders" | "interceptors" | "isObserved"> {
  checkType("connect", { route }, "function");
  checkForwardHeaders(forwardHeaders ?? []);
  checkFunctions("connect", { interceptors });
  return {
    route,
    forwardHeaders: forwardHeaders?.length ? [...forwardHeaders] : undefined,
    interceptors: interceptors?.length ? [...interceptors] : undefined,
    isObserved: onEvent !== undefined,
  };
}

/** Checks and completes what is looked up by a name. */
function resolveTables(
  { inputs = {}, outputs = {}, errors = {} }: RpcClientOptions,
): Pick<ClientSettings, "inputs" | "outputs" | "errors"> {
  checkSchemas("inputs", inputs);
  checkSchemas("outputs", outputs);
  checkErrors(errors);
  return { inputs, outputs, errors };
}

function checkSchemas(option: string, schemas: Readonly<Record<string, unknown>>): void {
  checkType("connect", { [option]: schemas }, "object");
  for (const [name, schema] of Object.entries(schemas)) {
    const isObject = typeof schema === "object" || typeof schema === "function";
    if (isObject && schema !== null && "~standard" in schema) continue;
    throw new TypeError(wrongValue("connect", [`${option}.${name}`, schema], "a Standard Schema"));
  }
}

function checkErrors(errors: ClientSettings["errors"]): void {
  checkType("connect", { errors }, "object");
  for (const [name, make] of Object.entries(errors)) {
    checkType("connect", { [`errors.${name}`]: make }, "function");
  }
}

function checkForwardHeaders(names: readonly string[]): void {
  if (!Array.isArray(names)) {
    throw new TypeError(wrongValue("connect", ["forwardHeaders", names], "an array of names"));
  }
  for (const name of names) checkHeaderName("connect", name);
}
