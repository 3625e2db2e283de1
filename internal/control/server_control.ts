/**
 * Answers operators. It runs on the server's own thread, which never computes for a pool: whatever its
 * workers do, an answer takes milliseconds.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { pid } from "node:process";
import { RpcError } from "../../errors.ts";
import type { RpcServerEvent } from "../../options/events.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import { hostIfAllowed, PLATFORM, VERSION } from "../broker/connect_settings.ts";
import {
  answerMessage,
  type ChangingVerb,
  type IncomingQuestion,
  isChanging,
  type ProcedureInfo,
  type QuestionHead,
  type ReadingVerb,
  readQuestionBody,
  readQuestionHead,
  type ServerActive,
  type ServerChange,
  type ServerCondition,
  type ServerIdentity,
  type ServerInfo,
  type ServerPing,
  type ServerStats,
  type ServerWhy,
} from "../protocol/control_question.ts";
import type { CapacityLoad } from "../running/encoded_handler.ts";
import type { SettledRequest } from "../serving/outcome_counts.ts";
import type { RequestService } from "../serving/request_service.ts";
import type { QuestionTaker, ServerSessions } from "../serving/server_sessions.ts";
import { toPrintable } from "../text.ts";
import { ProcedureCounts } from "./procedure_counts.ts";
import { RateLimit } from "../protocol/rate_limit.ts";
import { findRequest, requestIdOf, requestReport } from "./request_reports.ts";

/** What a server lets operators do. */
export type ControlMode = "none" | "read" | "admin";

/** What a {@linkcode ServerControl} needs of its server. */
export interface ServerControlOptions {
  readonly queue: string;
  readonly mode: ControlMode;
  readonly procedures: readonly ProcedureInfo[];
  /** What else `info` tells. */
  readonly limits: Pick<ServerInfo, "maxBodyBytes" | "durability">;
  /** How many requests it has in hand at most, if it is not paused. */
  readonly prefetch: () => number;
  /** The pools behind the procedures. */
  readonly pools: () => readonly CapacityLoad[];
  /** Gives each of them so many workers; tells how many pools there are. Throws if that cannot be. */
  readonly resize: (workers: number) => number;
  readonly service: () => RequestService;
  readonly sessions: ServerSessions;
  readonly emit: (event: RpcServerEvent) => void;
  /** Told whether it is paused now: the prefetch is another one. */
  readonly onPaused: (isPaused: boolean) => void;
  /** Serves what is in hand, and closes the server. */
  readonly close: (graceMs: number) => void;
}

/** All who ask, and each of them. */
const READING_RATE = { perSecond: 200, burst: 200 };
const ASKER_RATE = { perSecond: 20, burst: 20 };
/** A flood of questions leaves it untouched. */
const CHANGING_RATE = { perSecond: 50, burst: 50 };

/** The most requests that one answer lists. */
const MAX_LISTED = 1_000;
const LISTED = 100;

/** The most ids that one message cancels. */
const MAX_CANCELLED = 100;

/** The longest list of procedures with their schemas, in UTF-16 units. */
const MAX_DESCRIBED_CHARS = 262_144;

/** How long a drained server waits for what it has in hand, unless told otherwise: two hours. */
const DRAIN_GRACE_MS = 7_200_000;

/** What `info` tells of procedures. */
type DescribedProcedures = Pick<ServerInfo, "endpoints" | "schemasOmitted">;

/** The operator's side of a server. */
export class ServerControl implements QuestionTaker {
  readonly #options: ServerControlOptions;
  readonly #identity: ServerIdentity;
  readonly #started = new Date().toISOString();
  readonly #counts: ProcedureCounts;
  readonly #all = new RateLimit(READING_RATE);
  readonly #askers = new RateLimit(ASKER_RATE);
  readonly #changes = new RateLimit(CHANGING_RATE);
  /** Made once: schemas can be long. */
  #described: DescribedProcedures | undefined;
  #state: ServerCondition = "serving";

  constructor(options: ServerControlOptions) {
    this.#options = options;
    const host = hostIfAllowed();
    this.#identity = {
      name: options.queue,
      id: crypto.randomUUID().replaceAll("-", "").slice(0, 12),
      ...(host !== undefined && { host }),
      pid,
    };
    this.#counts = new ProcedureCounts(options.procedures.map(({ name }) => name));
  }

  /** Whether it takes requests. */
  get state(): ServerCondition {
    return this.#state;
  }

  get hasAdministrators(): boolean {
    return this.#options.mode === "admin";
  }

  /** How many requests the server should have in hand. */
  get prefetch(): number {
    return this.#state === "serving" ? this.#options.prefetch() : 0;
  }

  /** Counts a request that was settled. */
  onSettled(settled: SettledRequest): void {
    // Where nobody may ask, there is nobody to count for.
    if (this.#options.mode !== "none") this.#counts.add(settled);
  }

  /** Notes that the server is about to close. */
  onClosing(): void {
    this.#state = "draining";
  }

  ask(delivery: AmqpDelivery): void {
    if (this.#options.mode === "none") return;
    const head = readQuestionHead(delivery);
    // What is refused costs nothing more: whoever sends garbage has no more of it read than questions.
    if (head === undefined || !this.#isMeant(head) || !this.#admits(head)) return;
    const body = readQuestionBody(delivery.body);
    if (body === undefined) return;
    const question: IncomingQuestion = { ...head, body };
    const askedAt = performance.now();
    // Nothing of it inside amqplib's callback; and so it is known how long the loop takes for a turn.
    setImmediate(() => this.#answer(question, performance.now() - askedAt));
  }

  #isMeant({ server }: QuestionHead): boolean {
    return server === undefined || server === this.#identity.id;
  }

  #admits({ verb, replyTo }: QuestionHead): boolean {
    if (isChanging(verb)) return this.#changes.admits("");
    // Who asks too often takes nothing from the others.
    return this.#askers.admits(replyTo) && this.#all.admits("");
  }

  #answer(question: IncomingQuestion, loopDelayMs: number): void {
    const { verb } = question;
    const answer = isChanging(verb)
      ? this.#change(verb, question)
      : this.#read(verb, question, loopDelayMs);
    const message = answerMessage(question, answer);
    const publisher = this.#options.sessions.publisher?.session?.publisher;
    // Whoever gets no answer asks again.
    publisher?.publish(() => message).catch(() => {});
  }

  #read(verb: ReadingVerb, { body }: IncomingQuestion, loopDelayMs: number): ServerIdentity {
    switch (verb) {
      case "ping":
        return this.#ping(loopDelayMs);
      case "info":
        return this.#info();
      case "stats":
        return this.#stats();
      case "active":
        return this.#active(body);
      case "why":
        return this.#why(body);
    }
  }

  #ping(loopDelayMs: number): ServerPing {
    const now = Date.now();
    return { ...this.#identity, loopDelayMs: Math.round(loopDelayMs * 100) / 100, now };
  }

  #info(): ServerInfo {
    const { procedures, mode, limits, sessions } = this.#options;
    const returns = sessions.consumer?.session?.intake.hasReturns;
    return {
      ...this.#identity,
      version: VERSION,
      platform: PLATFORM,
      started: this.#started,
      state: this.#state,
      control: mode === "admin" ? "admin" : "read",
      prefetch: this.prefetch,
      ...limits,
      ...(returns !== undefined && { returns }),
      ...(this.#described ??= describeProcedures(procedures)),
    };
  }

  #stats(): ServerStats {
    const inHand = new Map<string, number>();
    for (const active of this.#requests) {
      const name = this.#service.procedureOf(active) ?? "";
      inHand.set(name, (inHand.get(name) ?? 0) + 1);
    }
    const { lagMs } = this.#counts;
    return {
      ...this.#identity,
      version: VERSION,
      started: this.#started,
      state: this.#state,
      inHand: this.#requests.length,
      prefetch: this.prefetch,
      ...(lagMs !== undefined && { lagMs }),
      counts: this.#service.stats(),
      pools: this.#options.pools(),
      endpoints: this.#counts.read(inHand),
    };
  }

  #active({ limit, olderMs }: IncomingQuestion["body"]): ServerActive {
    const count = typeof limit === "number" ? Math.min(Math.max(0, limit), MAX_LISTED) : LISTED;
    const isMeant = typeof olderMs === "number" ? olderMs : 0;
    const meant = this.#requests.filter(({ runMs }) => runMs >= isMeant);
    const requests = meant.slice(0, count).map((active) =>
      requestReport(active, this.#service.procedureOf(active))
    );
    return { ...this.#identity, total: meant.length, requests };
  }

  #why({ id }: IncomingQuestion["body"]): ServerWhy {
    const requests = this.#requests;
    const active = typeof id === "string" ? findRequest(requests, id) : undefined;
    return {
      ...this.#identity,
      state: this.#state,
      inHand: requests.length,
      prefetch: this.prefetch,
      ...(active && { request: requestReport(active, this.#service.procedureOf(active)) }),
    };
  }

  #change(change: ChangingVerb, { body, user }: IncomingQuestion): ServerChange {
    const done = this.#do(change, body);
    const by = user === undefined ? undefined : toPrintable(user);
    this.#options.emit({ type: "controlled", change, user: by, ...done });
    const inHand = this.#requests.length;
    return { ...this.#identity, state: this.#state, inHand, ...done };
  }

  #do(
    change: ChangingVerb,
    body: IncomingQuestion["body"],
  ): Pick<ServerChange, "cancelled" | "workers" | "refused"> {
    switch (change) {
      case "pause":
      case "resume":
        return this.#setPaused(change === "pause");
      case "drain":
        return this.#drain(body);
      case "cancel":
        return this.#cancel(body);
      case "scale":
        return this.#scale(body);
    }
  }

  #setPaused(isPaused: boolean): Pick<ServerChange, "refused"> {
    if (this.#state === "draining") return { refused: "the server is draining" };
    this.#state = isPaused ? "paused" : "serving";
    this.#options.onPaused(isPaused);
    return {};
  }

  #drain({ graceMs }: IncomingQuestion["body"]): Pick<ServerChange, "refused"> {
    if (this.#state === "draining") return {};
    const isGiven = typeof graceMs === "number" && graceMs >= 0;
    this.#options.close(isGiven ? graceMs : DRAIN_GRACE_MS);
    return {};
  }

  #scale({ workers }: IncomingQuestion["body"]): Pick<ServerChange, "workers" | "refused"> {
    if (this.#state === "draining") return { refused: "the server is draining" };
    if (typeof workers !== "number") return { refused: '"workers" must be a number' };
    try {
      const pools = this.#options.resize(workers);
      return pools === 0 ? { refused: "it has no pool" } : { workers };
    } catch (error) {
      return { refused: error instanceof RangeError ? error.message : "its pool is closed" };
    }
  }

  #cancel({ ids }: IncomingQuestion["body"]): Pick<ServerChange, "cancelled" | "refused"> {
    if (!Array.isArray(ids) || ids.length > MAX_CANCELLED) {
      return { refused: `"ids" must be a list of at most ${MAX_CANCELLED} ids` };
    }
    const wanted = new Set<unknown>(ids);
    const found = this.#requests.filter((active) =>
      wanted.has(active.request.correlationId) || wanted.has(requestIdOf(active))
    );
    for (const active of found) active.stop(cancelledByAdministrator());
    return { cancelled: found.length };
  }

  get #service(): RequestService {
    return this.#options.service();
  }

  get #requests(): RequestService["requests"] {
    return this.#service.requests;
  }
}

/** With their schemas, unless these are too long. */
function describeProcedures(procedures: readonly ProcedureInfo[]): DescribedProcedures {
  if (JSON.stringify(procedures).length <= MAX_DESCRIBED_CHARS) return { endpoints: procedures };
  const endpoints = procedures.slice(0, MAX_LISTED).map(({ name, kind }) => ({
    name,
    ...(kind && { kind }),
  }));
  return { endpoints, schemasOmitted: true };
}

function cancelledByAdministrator(): RpcError {
  const message = "Cannot complete the request as an administrator has cancelled it";
  return new RpcError("cancelled", message);
}
