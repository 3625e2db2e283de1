import { assert, assertEquals } from "../../deps/std_assert.ts";
import { fc } from "../../deps/fast_check.ts";
import { z } from "../../deps/zod.ts";
import { describeError, RpcError } from "../../errors.ts";
import { ActiveRequests } from "../../internal/serving/active_requests.ts";
import type { AmqpDelivery } from "../../internal/broker/amqp.ts";
import { resolveCallSettings, resolveTerms, toRequest } from "../../internal/calling/call_terms.ts";
import { readCallback, readControl, replyMessage } from "../../internal/protocol/envelope.ts";
import { readTicket, ticketSubject } from "../../internal/calling/named_callbacks.ts";
import { OutputReader } from "../../internal/calling/output_reader.ts";
import type { CallRequest } from "../../internal/calling/pending_call.ts";
import { PendingCalls } from "../../internal/calling/pending_calls.ts";
import { Procedures } from "../../internal/serving/procedures.ts";
import { ReplyCache } from "../../internal/serving/reply_cache.ts";
import { isExpired } from "../../internal/time.ts";
import { RequestRunner } from "../../internal/serving/request_runner.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { procedure } from "../../extras/schema.ts";
import { within } from "../helpers/eventually.ts";
import { fakeDelivery } from "../helpers/fake_delivery.ts";
import { type Envelope, envelopes, KNOWN_IDS, RUNS, SEED } from "./envelopes.ts";

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
    procedures: new Procedures(handlers, undefined, [msgpackCodec]),
    maxBodyBytes: 5_000,
    cache: new ReplyCache({ maxEntries: 10, maxBytes: 1_000 }),
    includeStack: false,
  });
}

function deliveryOf({ properties, body }: Envelope): AmqpDelivery {
  return fakeDelivery({ properties, body, redelivered: true });
}

const settings = resolveCallSettings({ queue: "q", codec: msgpackCodec, maxBodyBytes: 4_000 });

function callRequest(correlationId: string): CallRequest {
  const draft = { awaits: "reply", correlationId, procedure: "echo", input: 1 } as const;
  return toRequest(draft, resolveTerms({ timeoutMs: 3_600_000 }, settings), settings);
}

function waitFor(calls: PendingCalls, id: string): void {
  // The last ones are given up when the test is over.
  calls.add(callRequest(id)).reply.catch(() => {});
}

Deno.test(`A server has an answer to each of ${RUNS} odd requests`, async () => {
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
  assert(outputs > RUNS / 50, `only ${outputs} were run to their end`);
});

Deno.test(`A client makes sense of each of ${RUNS} odd replies`, async () => {
  const calls = new PendingCalls(10, { start() {}, onAbandoned() {} });
  const reader = new OutputReader(
    settings,
    {
      outputs: { echo: z.unknown() },
      errors: { TypeError: (remote) => new TypeError("own", { cause: remote }) },
    },
  );
  let answered = 0;
  const readsAll = fc.asyncProperty(envelopes, async ({ properties, body }) => {
    for (const id of KNOWN_IDS) if (calls.get(id) === undefined) waitFor(calls, id);
    const reply = { properties, body, ack() {} };
    const call = calls.claim(properties.correlationId);
    const ticket = readTicket(readCallback(properties) ?? "");
    const subject = typeof call === "object" ? call : ticket && ticketSubject(ticket);
    if (typeof call === "object") call.resolve(reply);
    if (subject === undefined) return calls.countUnknown();
    answered++;
    const error = await reader.read(subject, reply).then(() => undefined, (error) => error);
    assert(error === undefined || error instanceof RpcError || error.message === "own");
    assertEquals(typeof describeError(error).message, "string");
  });
  await within(LIMIT_MS, "the replies", fc.assert(readsAll, PARAMETERS));
  calls.rejectAll((call) => new RpcError("closed", "Enough", { call: call.report() }));
  assert(answered > RUNS / 10, `only ${answered} were taken for replies`);
});
