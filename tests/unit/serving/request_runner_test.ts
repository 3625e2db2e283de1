import type { Handler } from "../../../contract.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { ActiveRequests } from "../../../internal/serving/active_requests.ts";
import type { EncodedReply } from "../../../internal/encoded_reply.ts";
import { type EncodedRequest, sealHandler } from "../../../internal/running/encoded_handler.ts";
import { Procedures } from "../../../internal/serving/procedures.ts";
import { ReplyCache } from "../../../internal/serving/keys/reply_cache.ts";
import { RequestRunner } from "../../../internal/serving/request_runner.ts";
import type { ReplyCacheOptions } from "../../../options/server_options.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";

/** A runner whose only handler is played by hand. */
class Stage implements Disposable {
  readonly requests = new ActiveRequests();
  readonly started: EncodedRequest[] = [];
  readonly runner: RequestRunner;
  readonly #ends: PromiseWithResolvers<EncodedReply>[] = [];

  constructor(cache: ReplyCacheOptions | false = {}) {
    const handler = sealHandler<Handler>({
      handle: (request) => {
        this.started.push(request);
        const end = Promise.withResolvers<EncodedReply>();
        this.#ends.push(end);
        return end.promise;
      },
    });
    this.runner = new RequestRunner({
      procedures: new Procedures({ work: handler }, undefined),
      maxBodyBytes: 100,
      cache: cache ? new ReplyCache(cache) : undefined,
      includeStack: false,
    });
  }

  /** Hands a request in. */
  run(correlationId: string, key = "same", body = new Uint8Array()) {
    const headers = { "rpc-idempotency-key": key };
    const properties = { correlationId, headers, replyTo: `replies-of-${correlationId}` };
    const active = this.requests.add(fakeDelivery({ properties, body }));
    return { active, reply: this.runner.run(active).then(replyOf) };
  }

  /** Ends the handler that was started as the given one. */
  end(index: number, body = "1"): void {
    this.#ends[index]?.resolve({ type: "output", body, contentType: "application/json" });
  }

  fail(index: number, reason: unknown): void {
    this.#ends[index]?.reject(reason);
  }

  /** Ends the watch over what runs. */
  [Symbol.dispose](): void {
    this.requests.close(new RpcError("closed", "Cannot go on as the test is over"));
  }
}

/** No worker dies here. */
function replyOf(reply: EncodedReply | RpcError): EncodedReply {
  if (reply instanceof RpcError) throw reply;
  return reply;
}

async function codeOf(reply: Promise<EncodedReply>): Promise<string> {
  const { type, body } = await reply;
  return type === "error" ? JSON.parse(String(body)).code : "no error";
}

Deno.test("RequestRunner runs requests with one key once at a time", async () => {
  using stage = new Stage();
  const runs = [stage.run("a"), stage.run("b"), stage.run("c", "other")];
  assertEquals([stage.started.length, stage.runner.reused], [2, 1]);
  stage.end(0, "1");
  stage.end(1, "2");
  const replies = await Promise.all(runs.map(({ reply }) => reply));
  assertEquals(replies.map(({ body }) => body), ["1", "1", "2"]);
});

Deno.test("RequestRunner answers from its cache what it has run", async () => {
  using stage = new Stage();
  const first = stage.run("a");
  stage.end(0, "1");
  await first.reply;
  assertEquals((await stage.run("b").reply).body, "1");
  assertEquals([stage.started.length, stage.runner.reused], [1, 1]);
});

Deno.test("RequestRunner runs every request if it has no cache", () => {
  using stage = new Stage(false);
  stage.run("a");
  stage.run("b");
  assertEquals([stage.started.length, stage.runner.reused], [2, 0]);
});

Deno.test("RequestRunner refuses a key that stands for another input", async () => {
  using stage = new Stage();
  const first = stage.run("a", "key", new Uint8Array([1]));
  const conflict = () => codeOf(stage.run("b", "key", new Uint8Array([2])).reply);
  assertEquals(await conflict(), "idempotency-conflict");
  stage.end(0, "1");
  assertEquals((await first.reply).body, "1");
  assertEquals(await conflict(), "idempotency-conflict");
  assertEquals((await stage.run("c", "key", new Uint8Array([1])).reply).body, "1");
  assertEquals([stage.started.length, stage.runner.reused], [1, 1]);
});

Deno.test("RequestRunner gives an error to all that wait for it", async () => {
  using stage = new Stage();
  const runs = [stage.run("a"), stage.run("b")];
  stage.fail(0, new RpcError("planned", "Cannot"));
  assertEquals(await Promise.all(runs.map(({ reply }) => codeOf(reply))), ["planned", "planned"]);
  stage.run("c");
  assertEquals(stage.started.length, 2);
});

Deno.test("RequestRunner aborts a handler when its last caller leaves", () => {
  using stage = new Stage();
  stage.run("a");
  stage.run("b");
  stage.requests.cancel("a");
  assertFalse(stage.started[0]?.context.signal.aborted);
  stage.requests.cancel("b");
  assert(stage.started[0]?.context.signal.aborted);
});

Deno.test("RequestRunner settles a request that leaves others behind", async () => {
  for (const leaver of ["a", "b"]) {
    using stage = new Stage();
    const runs = { a: stage.run("a"), b: stage.run("b") };
    const [left, stayed] = leaver === "a" ? [runs.a, runs.b] : [runs.b, runs.a];
    stage.requests.cancel(leaver);
    assertEquals(await codeOf(left.reply), "cancelled");
    assertFalse(stage.started[0]?.context.signal.aborted);
    stage.end(0, "1");
    assertEquals((await stayed.reply).body, "1");
  }
});

Deno.test("RequestRunner lets nobody join a handler that was aborted", async () => {
  using stage = new Stage();
  stage.run("a");
  stage.requests.cancel("a");
  const late = stage.run("late");
  assertEquals(stage.started.length, 2);
  stage.fail(0, new Error("aborted"));
  stage.end(1, "2");
  assertEquals((await late.reply).body, "2");
  assertEquals((await stage.run("later").reply).body, "2");
});

Deno.test("RequestRunner refuses inputs and outputs that are too large", async () => {
  using stage = new Stage();
  assertEquals(await codeOf(stage.run("a", "one", new Uint8Array(101)).reply), "too-large");
  assertEquals(stage.started.length, 0);
  const { reply } = stage.run("b", "two");
  stage.end(0, "x".repeat(101));
  const { type, body } = await reply;
  assertEquals(type, "error");
  assertStringIncludes(String(body), "its output has 101 bytes");
});

Deno.test("RequestRunner hands on that a worker died, to all that wait", async () => {
  using stage = new Stage();
  const runs = [stage.run("a"), stage.run("b")];
  stage.fail(0, new RpcError("worker-crashed", "died"));
  for (const { reply } of runs) {
    assertEquals((await assertRejects(() => reply, RpcError)).code, "worker-crashed");
  }
});
