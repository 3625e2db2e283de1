/**
 * Finds out where the request of a call is that is about to time out, so that its error can say so. The
 * call rejects at its deadline, whatever is known by then.
 *
 * @module
 */

import type { AmqpDelivery } from "../../broker/amqp.ts";
import type { PublishOutcome } from "../../broker/publisher.ts";
import {
  isAnswer,
  operatorsIdOf,
  questionMessage,
  type RequestReport,
  type ServerWhy,
} from "../../protocol/control_question.ts";
import { readAnswer } from "../../protocol/control/control_answer.ts";
import { isServerNamed } from "../../protocol/reply_address.ts";
import { RateLimit } from "../../protocol/rate_limit.ts";
import { toPrintable } from "../../text.ts";
import type { ClientSession } from "../client_session.ts";
import type { PendingCall } from "../pending_calls.ts";

/** Of one client: many calls that time out at once have the same reason. */
const ASKING_RATE = { perSecond: 20, burst: 20 };

/** The most answers to one question. */
const MAX_ANSWERS = 100;

/** What is known of one request. */
interface Evidence {
  readonly servers: ServerWhy[];
  /** What the broker says of the queue. */
  queue?: { readonly ready: number; readonly consumers: number };
  /** Whether no server can be asked. */
  isNobodyThere?: boolean;
}

/** What is known of the requests of calls that are about to time out. */
export class TimeoutReasons {
  readonly #rate = new RateLimit(ASKING_RATE);
  readonly #evidence = new Map<string, Evidence>();
  readonly #session: () => ClientSession | undefined;

  constructor(session: () => ClientSession | undefined) {
    this.#session = session;
  }

  /** Asks all servers of the queue, if the client has the right, and the broker. */
  ask(call: PendingCall): void {
    const session = this.#session();
    const { replyTo, control } = session ?? {};
    const { phase, request } = call;
    const isSent = phase === "queued" || phase === "running";
    if (!isSent || control === undefined || !isServerNamed(replyTo)) return;
    if (session === undefined || replyTo === undefined || !this.#rate.admits("")) return;
    const { queue, correlationId } = request;
    // Servers of all queues may see it: with the id of the call they could reply to it.
    const id = operatorsIdOf(correlationId);
    const evidence: Evidence = { servers: [] };
    this.#evidence.set(id, evidence);
    const forget = () => void this.#evidence.delete(id);
    call.reply.then(forget, forget);
    const parts = { verb: "why", queue, server: undefined, body: { id } } as const;
    const onAsked = (outcome: PublishOutcome) => {
      if (outcome === "returned") evidence.isNobodyThere = true;
    };
    control.publish(() => questionMessage({ ...parts, id, replyTo })).then(onAsked, () => {});
    session.inspectQueue(queue).then((found) => evidence.queue = found, () => {});
  }

  /**
   * Takes an answer; one that comes too late is of no use.
   *
   * @returns Whether it was an answer, and no reply.
   */
  accept({ properties, body }: AmqpDelivery): boolean {
    if (!isAnswer(properties)) return false;
    const evidence = this.#evidence.get(properties.correlationId ?? "");
    if (evidence === undefined || evidence.servers.length >= MAX_ANSWERS) return true;
    const answer = readAnswer("why", body);
    if (answer !== undefined) evidence.servers.push(answer);
    return true;
  }

  /** Says where the request of a call is; `undefined` if nothing is known. */
  wordsOf({ request }: PendingCall): string | undefined {
    if (this.#evidence.size === 0) return undefined;
    const evidence = this.#evidence.get(operatorsIdOf(request.correlationId));
    if (evidence === undefined) return undefined;
    const holder = evidence.servers.find((server) => server.request !== undefined);
    if (holder?.request !== undefined) return heldWords(holder, holder.request);
    return evidence.queue && queueWords(evidence, evidence.queue);
  }
}

function heldWords({ id, host }: ServerWhy, request: RequestReport): string {
  const server = `server ${printable(id)}${host === undefined ? "" : ` on ${printable(host)}`}`;
  const time = `${Math.round(request.forMs)} ms`;
  switch (request.state) {
    case "waiting":
      return `it waits in the backlog of ${server}, ${request.ahead ?? 0} ahead`;
    case "settling":
      return `its reply is under way from ${server}`;
    default: {
      const worker = request.worker === undefined ? "" : `worker ${request.worker} of `;
      const progress = request.progress === undefined
        ? ""
        : `, its last progress was ${request.progress}`;
      return `it runs on ${worker}${server} for ${time}${progress}`;
    }
  }
}

function queueWords(
  { servers, isNobodyThere }: Evidence,
  { ready, consumers }: NonNullable<Evidence["queue"]>,
): string | undefined {
  const paused = servers.filter(({ state }) => state === "paused").length;
  const silent = consumers - (servers.length - paused);
  if (ready === 0) {
    if (silent > 0 && !isNobodyThere) {
      return `${silent} of ${consumers} servers do not say what they have`;
    }
    return "no server knows it, and none waits in the queue: it was lost, or just answered";
  }
  const waiting = `it is still in the queue, where ${ready} wait`;
  if (consumers > 0) return `${waiting} for ${consumers} servers`;
  return paused > 0
    ? `${waiting}, as its servers are paused: ${paused} of them`
    : `${waiting}, and has no server: start one`;
}

/** Texts of servers are anything. */
function printable(text: string): string {
  return toPrintable(text.slice(0, 80));
}
