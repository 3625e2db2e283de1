import { assert, assertEquals } from "../../deps/std_assert.ts";
import { fc } from "../../deps/fast_check.ts";
import { z } from "../../deps/zod.ts";
import { RpcError } from "../../errors.ts";
import { describeError } from "../../internal/error_description.ts";
import { ActiveRequests } from "../../internal/serving/active_requests.ts";
import type { AmqpDelivery } from "../../internal/broker/amqp.ts";
import { RequestMaker } from "../../internal/calling/call_request.ts";
import {
  type CallbackTicket,
  CallbackTickets,
  ticketSubject,
} from "../../internal/calling/callback_tickets.ts";
import { resolveClientOptions } from "../../internal/calling/client_settings.ts";
import { readCallback, readControl, replyMessage } from "../../internal/protocol/envelope.ts";
import { PendingCall, PendingCalls } from "../../internal/calling/pending_calls.ts";
import { ReplyReader } from "../../internal/calling/reply_reader.ts";
import { Procedures } from "../../internal/serving/procedures.ts";
import { ReplyCache } from "../../internal/serving/keys/reply_cache.ts";
import { isExpired } from "../../internal/time.ts";
import { RequestRunner } from "../../internal/serving/request_runner.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { procedure } from "../../extras/schema.ts";
import { within } from "../helpers/eventually.ts";
import { fakeDelivery } from "../helpers/fake_delivery.ts";
import { CALLBACK_KEY, type Envelope, envelopes, KNOWN_IDS, RUNS, SEED } from "./envelopes.ts";

const LIMIT_MS = 300_000;
const PARAMETERS = { numRuns: RUNS, seed: SEED };

const handlers = {
  echo: (input: unknown) => input,
  fail() {
    throw new RangeError("Cannot");
  },
  throwInput(input: unknown) {
    throw input;
  },
  area: procedure({ input: z.object({ width: z.number() }) }, ({ width }) => width * width),
  odd: (input: unknown) => new Map([[input, input]]),
};

function newRunner(): RequestRunner {
  return new RequestRunner({
    procedures: new Procedures(handlers, undefined, { codecs: [msgpackCodec] }),
    maxBodyBytes: 5_000,
    cache: new ReplyCache({ maxEntries: 10, maxBytes: 1_000 }),
    includeStack: false,
  });
}

function deliveryOf({ properties, body }: Envelope): AmqpDelivery {
  return fakeDelivery({ properties, body, redelivered: true });
}

const settings = resolveClientOptions("amqp://127.0.0.1", {
  queue: "q",
  codecs: [msgpackCodec],
  maxBodyBytes: 4_000,
  outputs: { echo: z.unknown() },
  errors: { TypeError: (remote) => new TypeError("own", { cause: remote }) },
});
const requests = new RequestMaker(settings);

function waitFor(calls: PendingCalls, correlationId: string): void {
  const parts = { kind: "call", procedure: "echo", correlationId } as const;
  const call = new PendingCall(requests.make(parts, 1, { timeoutMs: 3_600_000 }), calls);
  calls.add(call);
  // The last ones are rejected when the test is over.
  call.reply.catch(() => {});
}

Deno.test(`A server has an answer to each of ${RUNS} odd requests, seed ${SEED}`, async () => {
  const runner = newRunner();
  const requests = new ActiveRequests();
  let outputs = 0;
  const answersAll = fc.asyncProperty(envelopes, async (envelope) => {
    const active = requests.add(deliveryOf(envelope));
    const { request } = active;
    assertEquals(typeof isExpired(request.deadline), "boolean");
    const control = readControl(envelope.properties);
    if (control !== undefined) requests.obey(control);
    const reply = await runner.run(active);
    requests.delete(active);
    assert(!(reply instanceof RpcError));
    assert(reply.type === "output" || reply.type === "error");
    if (reply.type === "output") outputs++;
    const message = replyMessage(request, reply);
    assert(message.body.length <= 5_000);
  });
  await within(LIMIT_MS, "the requests", fc.assert(answersAll, PARAMETERS));
  assertEquals(requests.size, 0);
  // Others are of unknown procedures, cannot be read, or have a key of other work.
  assert(outputs > RUNS / 100, `only ${outputs} were run to their end`);
});

/** Whether an error was made by the client's own `errors`. */
function isOwn(error: unknown): boolean {
  return error instanceof TypeError && error.message === "own";
}

async function errorOf(read: () => unknown): Promise<unknown> {
  try {
    await read();
    return undefined;
  } catch (error) {
    return error;
  }
}

const tickets = new CallbackTickets([CALLBACK_KEY], "");

function readTicket(properties: Envelope["properties"]): CallbackTicket | undefined {
  try {
    return tickets.read(readCallback(properties) ?? "", properties.correlationId ?? "");
  } catch (error) {
    assert(error instanceof RpcError, String(error));
    return undefined;
  }
}

Deno.test(`A client makes sense of each of ${RUNS} odd replies, seed ${SEED}`, async () => {
  const calls = new PendingCalls({ maxPending: 10, onPlace() {}, onAbandoned() {} });
  const reader = new ReplyReader(settings);
  let answered = 0;
  const readsAll = fc.asyncProperty(envelopes, async ({ properties, body }) => {
    for (const id of KNOWN_IDS) if (calls.get(id) === undefined) waitFor(calls, id);
    const reply = fakeDelivery({ properties, body });
    const call = calls.claim(properties.correlationId);
    const ticket = readTicket(properties);
    const subject = typeof call === "object" ? call : ticket && ticketSubject(ticket);
    if (typeof call === "object") call.resolve(reply);
    if (subject === undefined) return calls.countUnknown();
    answered++;
    const error = await errorOf(() => reader.read(subject, reply));
    assert(error === undefined || error instanceof RpcError || isOwn(error));
    assertEquals(typeof describeError(error).message, "string");
  });
  await within(LIMIT_MS, "the replies", fc.assert(readsAll, PARAMETERS));
  calls.rejectAll((call) => new RpcError("closed", "Enough", { call: call.report() }));
  assert(answered > RUNS / 10, `only ${answered} were taken for replies`);
});
