/** The RabbitMQ versions that the broker follows, and what differs between them. @module */

import type { ReplyCodeName } from "../wire/amqp_error.ts";

/** The RabbitMQ version whose behaviour is followed. */
export type Compat = "3.10" | "4.0" | "4.3";

/** How a quorum queue orders its messages by their priorities. */
export type QuorumPriorities = "none" | "two-to-one" | "strict";

/** Which returns of a message count towards the delivery limit of a quorum queue. */
export type CountedReturns = "all" | "failed";

/** What a version does where versions differ. */
export interface VersionRules {
  /** The version that is followed. */
  readonly compat: Compat;
  /** The version that `connection.start` names. */
  readonly version: string;
  /** The smallest frame size that a client may negotiate, in bytes. */
  readonly minFrameMax: number;
  /** The largest body, in bytes, unless an option says otherwise. */
  readonly maxMessageBytes: number;
  /** The protocol that the broker names to a client of another one. */
  readonly ownProtocol: readonly [number, number, number, number];
  /** The reply code for an exchange type that does not exist. */
  readonly unknownExchangeType: ReplyCodeName;
  /** Whether there are exchanges of type `x-local-random`. */
  readonly hasLocalRandom: boolean;
  /** Whether direct replies count as routed, so that none is returned. */
  readonly routesDirectReplies: boolean;
  /** Whether the answer to a passive declaration needs a right to the queue or exchange. */
  readonly guardsPassiveDeclare: boolean;
  /** Whether queues may be neither durable nor exclusive. */
  readonly permitsTransientQueues: boolean;
  /** Whether an empty `x-queue-type` means a classic queue. */
  readonly takesEmptyQueueType: boolean;
  /** What becomes of a queue that says by `x-queue-master-locator` on which node it wants to be. */
  readonly masterLocator: "checked" | "ignored" | "denied";
  /** Whether a `basic.cancel-ok`, which nobody waits for, is refused with a reason. */
  readonly explainsCancelOk: boolean;
  /** Whether `basic.qos` can limit a channel as a whole. */
  readonly hasGlobalPrefetch: boolean;
  /** Whether queues that name no type get the argument `x-queue-type`. */
  readonly namesQueueType: boolean;
  /** Whether messages are kept as containers: properties as published, annotations beside them. */
  readonly keepsAnnotations: boolean;
  /** What ends when a delivery is not settled in time: its channel, or the consumer of a quorum queue. */
  readonly consumerTimeoutEnds: "channel" | "consumer";
  /** How often a message may come back to a quorum queue that names no limit. */
  readonly deliveryLimit: number | undefined;
  /** Which returns count towards the delivery limit of a quorum queue. */
  readonly countedReturns: CountedReturns;
  /** Whether quorum queues take each message of a `basic.nack` back by itself. */
  readonly returnsOneByOne: boolean;
  /** In which order quorum queues take back what the consumers of a lost channel had. */
  readonly returnOrder: "by-tag" | "by-subscription";
  /** Whether quorum queues give up what is too much before other dead letters, the last first. */
  readonly dropsLastFirst: boolean;
  /** Whether quorum queues without a limit put what comes back behind all others. */
  readonly requeuesToEnd: boolean;
  /** Whether a cancelled single active consumer is followed at once, not at the next event. */
  readonly servesAfterCancel: boolean;
  /** What refusals of `basic.get` call a quorum queue. */
  readonly quorumName: string;
  /** How quorum queues order their messages by priority. */
  readonly quorumPriorities: QuorumPriorities;
  /** Whether quorum queues put a consumer of higher priority in the place of a single active one. */
  readonly replacesSingleActive: boolean;
  /** Whether quorum queues count the properties towards `x-max-length-bytes`, too. */
  readonly countsPropertyBytes: boolean;
}

const RULES_3_10: VersionRules = {
  compat: "3.10",
  version: "3.10.8",
  minFrameMax: 4096,
  maxMessageBytes: 128 * 1024 * 1024,
  ownProtocol: [0, 0, 9, 1],
  unknownExchangeType: "command-invalid",
  hasLocalRandom: false,
  routesDirectReplies: false,
  guardsPassiveDeclare: false,
  permitsTransientQueues: true,
  takesEmptyQueueType: false,
  masterLocator: "checked",
  explainsCancelOk: true,
  hasGlobalPrefetch: true,
  namesQueueType: false,
  keepsAnnotations: false,
  consumerTimeoutEnds: "channel",
  deliveryLimit: undefined,
  countedReturns: "all",
  returnsOneByOne: true,
  returnOrder: "by-tag",
  dropsLastFirst: true,
  requeuesToEnd: true,
  servesAfterCancel: false,
  quorumName: "quorum",
  quorumPriorities: "none",
  replacesSingleActive: false,
  countsPropertyBytes: false,
};

const RULES_4_0: VersionRules = {
  ...RULES_3_10,
  compat: "4.0",
  version: "4.0.5",
  maxMessageBytes: 16 * 1024 * 1024,
  ownProtocol: [3, 1, 0, 0],
  unknownExchangeType: "precondition-failed",
  hasLocalRandom: true,
  masterLocator: "ignored",
  namesQueueType: true,
  keepsAnnotations: true,
  deliveryLimit: 20,
  returnsOneByOne: false,
  returnOrder: "by-subscription",
  servesAfterCancel: true,
  quorumPriorities: "two-to-one",
  replacesSingleActive: true,
};

const RULES_4_3: VersionRules = {
  ...RULES_4_0,
  compat: "4.3",
  version: "4.3.6",
  minFrameMax: 8192,
  routesDirectReplies: true,
  guardsPassiveDeclare: true,
  permitsTransientQueues: false,
  takesEmptyQueueType: true,
  masterLocator: "denied",
  explainsCancelOk: false,
  hasGlobalPrefetch: false,
  consumerTimeoutEnds: "consumer",
  countedReturns: "failed",
  dropsLastFirst: false,
  requeuesToEnd: false,
  quorumName: '<<"quorum">>',
  quorumPriorities: "strict",
  countsPropertyBytes: true,
};

const RULES: Record<Compat, VersionRules> = {
  "3.10": RULES_3_10,
  "4.0": RULES_4_0,
  "4.3": RULES_4_3,
};

/** The versions that the broker can follow, oldest first. */
export const COMPAT_VERSIONS: readonly Compat[] = ["3.10", "4.0", "4.3"];

/** Returns what a version does where versions differ. */
export function rulesOf(compat: Compat): VersionRules {
  return RULES[compat];
}

/** Tells whether a text names a version that the broker can follow. */
export function isCompat(text: string): text is Compat {
  return Object.hasOwn(RULES, text);
}
