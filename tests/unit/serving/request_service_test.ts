import type { Handler } from "../../../contract.ts";
import { assertEquals } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { AmqpProperties, AmqpPublish } from "../../../internal/broker/amqp.ts";
import { BodyLimits } from "../../../internal/broker/body_limits.ts";
import type { Connection } from "../../../internal/broker/connection.ts";
import type { PublishOutcome } from "../../../internal/broker/publisher.ts";
import { sealHandler } from "../../../internal/running/encoded_handler.ts";
import { Procedures } from "../../../internal/serving/procedures.ts";
import { RequestRunner } from "../../../internal/serving/request_runner.ts";
import { RequestService } from "../../../internal/serving/request_service.ts";
import type {
  ConsumerSession,
  PublisherSession,
} from "../../../internal/serving/server_sessions.ts";
import type { RpcServerEvent } from "../../../options/events.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

const DIRECT = "amq.rabbitmq.reply-to.g1h3DnJlcGx5QDI5ODM0NTk2AAAC4AAAAABrAZB2.a2V5";
const STREAM = { headers: { "rpc-credits": 5 } };

/** A service on a broker that answers as told. */
function serviceWith(handler: Handler | object, answers: (PublishOutcome | Error)[] = []) {
  const events: RpcServerEvent[] = [];
  const done: string[] = [];
  const publisher = {
    publish(prepare: () => AmqpPublish): Promise<PublishOutcome> {
      done.push(`publish ${prepare().properties.type}`);
      const answer = answers.shift() ?? "confirmed";
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  // Of a connection, the service reads its session only.
  const connection: unknown = { session: { publisher } };
  const consumer: unknown = { session: { intake: { prefetch: 2 } } };
  const procedures = new Procedures({ work: handler as Handler }, undefined);
  const service = new RequestService({
    queue: "math",
    durability: "durable",
    declare: true,
    replyQueues: undefined,
    maxDeliveries: 3,
    defaultProcedure: procedures.defaultName,
    runner: new RequestRunner({
      procedures,
      maxBodyBytes: 100,
      cache: undefined,
      includeStack: false,
    }),
    limits: new BodyLimits(),
    interceptors: undefined,
    isObserved: true,
    emit: (event) => events.push(event),
    sessions: {
      publisher: connection as Connection<PublisherSession>,
      consumer: consumer as Connection<ConsumerSession>,
    },
  });
  const serve = async (properties: AmqpProperties = {}) => {
    const onSettled = (way: string) => done.push(way);
    const body = new TextEncoder().encode("1");
    const delivery = fakeDelivery({
      properties: { replyTo: DIRECT, ...properties },
      body,
      onSettled,
    });
    await service.accept(delivery);
    return events.map((event) => event.type === "served" ? event.outcome : event.type);
  };
  return { service, serve, done, events, [Symbol.asyncDispose]: () => service.close(0) };
}

Deno.test("RequestService acknowledges a request once its reply is confirmed", async () => {
  await using place = serviceWith((input: number) => input);
  assertEquals(await place.serve(), ["output"]);
  assertEquals(place.done, ["publish output", "ack"]);
  assertEquals(place.service.stats().succeeded, 1);
});

Deno.test("RequestService counts a reply that the broker never confirms", async () => {
  await using place = serviceWith(() => 1, ["unknown", "unknown"]);
  assertEquals(await place.serve(), ["unpublished"]);
  const { unpublished, replyToRefused, orphaned } = place.service.stats();
  assertEquals([unpublished, replyToRefused, orphaned], [1, 0, 0]);
});

Deno.test("RequestService runs nothing for a replyTo that it refuses", async () => {
  let runs = 0;
  await using place = serviceWith(() => runs++);
  assertEquals(await place.serve({ replyTo: "math" }), ["parked", "reply-to-refused"]);
  const { unpublished, replyToRefused, parked } = place.service.stats();
  assertEquals([runs, unpublished, replyToRefused, parked], [0, 0, 1, 1]);
});

Deno.test("RequestService gives a request back whose worker died of it", async () => {
  const crash = () => Promise.reject(new RpcError("worker-crashed", "died"));
  await using place = serviceWith(sealHandler({ handle: crash }));
  assertEquals(await place.serve({ correlationId: "a" }), ["crashed"]);
  assertEquals(place.done, ["requeue"]);
});

Deno.test("RequestService gives back untried what it cannot park before it closes", async () => {
  using time = new FakeTime();
  await using place = serviceWith(() => 1, Array(1_000).fill("nacked"));
  const served = place.serve({ replyTo: "math" });
  await time.advance(60_000);
  await place.service.close(0);
  assertEquals(await served, ["parking-delayed", "unserved"]);
  assertEquals(place.done.at(-1), "giveBack");
});

Deno.test("RequestService says what it can never park, and serves on", async () => {
  // Neither with the headers of the message nor without.
  const error = new TypeError("odd properties");
  const answers = [new TypeError("odd headers"), error];
  await using place = serviceWith((input: number) => input, answers);
  assertEquals(await place.serve({ replyTo: "math" }), ["not-parked", "reply-to-refused"]);
  assertEquals(place.events[0], {
    type: "not-parked",
    procedure: "work",
    code: "reply-to-refused",
    error,
  });
  assertEquals(place.done.at(-1), "ack");
  assertEquals([place.service.stats().parked, (await place.serve()).at(-1)], [0, "output"]);
});

Deno.test("RequestService leaves a stream to others whose connection is lost", async () => {
  await using place = serviceWith(function* () {
    place.service.onDisconnected(new Error("lost"));
    yield 1;
  });
  assertEquals(await place.serve(STREAM), ["unserved"]);
  assertEquals(place.done, ["publish item"]);
  assertEquals(place.service.stats().cancelled, 0);
});

Deno.test("RequestService leaves a stream to others whose items it cannot publish", async () => {
  const closed = new RpcError("closed", "Cannot use the connection to the broker as it is closed");
  await using place = serviceWith(function* () {
    yield 1;
  }, [closed]);
  assertEquals(await place.serve(STREAM), ["unserved"]);
  assertEquals(place.done, ["publish item"]);
});

Deno.test("RequestService says that nothing moves when all its places are taken", async () => {
  using time = new FakeTime();
  const gate = Promise.withResolvers<number>();
  await using place = serviceWith(() => gate.promise);
  const served = [place.serve()];
  await time.advance(120_000);
  assertEquals(place.events, []);
  served.push(place.serve());
  await time.advance(120_000);
  assertEquals(place.events, [{ type: "stalled", active: 2, oldestMs: 180_000 }]);
  gate.resolve(1);
  await Promise.all(served);
});
