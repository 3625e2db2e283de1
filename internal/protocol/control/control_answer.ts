/** What servers answer operators, looked at before it is believed. @module */

import {
  ANSWER_TYPE_PREFIX,
  type ChangingVerb,
  isObject,
  isReading,
  type ProcedureInfo,
  type ProcedureStats,
  type ReadingVerb,
  readObject,
  type RequestReport,
  type ServerActive,
  type ServerChange,
  type ServerIdentity,
  type ServerInfo,
  type ServerPing,
  type ServerStats,
  type ServerWhy,
} from "../control_question.ts";

/**
 * Reads an answer. Whoever may serve a queue may answer, and anything: one whose members are of other
 * types than they are to be is none. Members that are not known stay.
 *
 * @param verb The question.
 * @param body The body of the answer.
 * @returns `undefined` if it is no answer to that question.
 */
export function readAnswer<V extends ReadingVerb | ChangingVerb>(
  verb: V,
  body: Uint8Array,
): ControlAnswer<V> | undefined {
  const { type, ...answer } = readObject(body) ?? {};
  if (type !== ANSWER_TYPE_PREFIX + verb || !isIdentity(answer)) return undefined;
  const isWhole = isReading(verb) ? READ_ANSWERS[verb] : isChange;
  // Each member has just been looked at.
  return isWhole(answer) ? answer as unknown as ControlAnswer<V> : undefined;
}

/** The answers to questions. */
interface ReadAnswers {
  readonly ping: ServerPing;
  readonly info: ServerInfo;
  readonly stats: ServerStats;
  readonly active: ServerActive;
  readonly why: ServerWhy;
}

/** The answer to a question, or to an order. */
export type ControlAnswer<V extends ReadingVerb | ChangingVerb> = V extends ReadingVerb
  ? ReadAnswers[V]
  : ServerChange;

/** Tells whether a value of JSON is what it is to be. */
type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isAnything: Check = () => true;

function orAbsent(check: Check): Check {
  return (value) => value === undefined || check(value);
}

function oneOf(...words: readonly unknown[]): Check {
  return (value) => words.includes(value);
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check);
}

function membersOf(checks: Readonly<Record<string, Check>>): Check {
  const all = Object.entries(checks);
  return (value) => isObject(value) && all.every(([name, check]) => check(value[name]));
}

/** The members of `T`, each with its check. */
type Checks<T> = { readonly [Name in keyof T]-?: Check };

const isCondition = oneOf("serving", "paused", "draining");

const isIdentity = membersOf(
  {
    name: isText,
    id: isText,
    host: orAbsent(isText),
    pid: isNumber,
  } satisfies Checks<ServerIdentity>,
);

const isRequestReport = membersOf(
  {
    id: isText,
    procedure: isText,
    state: oneOf("running", "waiting", "settling"),
    worker: orAbsent(isNumber),
    ahead: orAbsent(isNumber),
    forMs: isNumber,
    progress: orAbsent(isNumber),
    caller: orAbsent(isText),
    attempt: isNumber,
  } satisfies Checks<RequestReport>,
);

const isProcedureInfo = membersOf(
  {
    name: isText,
    kind: orAbsent(oneOf("call", "stream")),
    description: orAbsent(isText),
    // Schemas are whatever their servers have.
    input: isAnything,
    output: isAnything,
  } satisfies Checks<ProcedureInfo>,
);

const isProcedureStats = membersOf(
  {
    name: isText,
    numRequests: isNumber,
    numErrors: isNumber,
    lastError: orAbsent(membersOf({ at: isText, outcome: isText })),
    processingTime: isNumber,
    averageProcessingTime: isNumber,
    p50: isNumber,
    p95: isNumber,
    p99: isNumber,
    waitP95: orAbsent(isNumber),
    inHand: isNumber,
  } satisfies Checks<ProcedureStats>,
);

const isPool = membersOf(
  {
    workers: isNumber,
    busy: isNumber,
    crashed: isNumber,
    waiting: isNumber,
  } satisfies Checks<ServerStats["pools"][number]>,
);

/** Those that a later release adds are not in the answers of an earlier one. */
const areCounts: Check = (value) => isObject(value) && Object.values(value).every(isNumber);

/** The members of an answer beside who gives it. */
type Own<T> = Checks<Omit<T, keyof ServerIdentity>>;

const READ_ANSWERS: Readonly<Record<ReadingVerb, Check>> = {
  ping: membersOf({ loopDelayMs: isNumber, now: orAbsent(isNumber) } satisfies Own<ServerPing>),
  info: membersOf(
    {
      version: isText,
      platform: isText,
      started: isText,
      state: isCondition,
      control: oneOf("read", "admin"),
      prefetch: isNumber,
      maxBodyBytes: orAbsent(isNumber),
      durability: orAbsent(isText),
      returns: oneOf(undefined, true, false),
      endpoints: listOf(isProcedureInfo),
      schemasOmitted: oneOf(undefined, true),
    } satisfies Own<ServerInfo>,
  ),
  stats: membersOf(
    {
      version: isText,
      started: isText,
      state: isCondition,
      inHand: isNumber,
      prefetch: isNumber,
      lagMs: orAbsent(isNumber),
      counts: areCounts,
      pools: listOf(isPool),
      endpoints: listOf(isProcedureStats),
    } satisfies Own<ServerStats>,
  ),
  active: membersOf(
    {
      total: isNumber,
      requests: listOf(isRequestReport),
    } satisfies Own<ServerActive>,
  ),
  why: membersOf(
    {
      state: isCondition,
      inHand: isNumber,
      prefetch: isNumber,
      request: orAbsent(isRequestReport),
    } satisfies Own<ServerWhy>,
  ),
};

const isChange = membersOf(
  {
    state: isCondition,
    inHand: isNumber,
    cancelled: orAbsent(isNumber),
    workers: orAbsent(isNumber),
    refused: orAbsent(isText),
  } satisfies Own<ServerChange>,
);
