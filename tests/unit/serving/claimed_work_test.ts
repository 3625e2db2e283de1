import { assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { EncodedReply } from "../../../internal/encoded_reply.ts";
import { readRequestEnvelope } from "../../../internal/protocol/envelope.ts";
import { ClaimedWork } from "../../../internal/serving/keys/claimed_work.ts";
import { WorkKey } from "../../../internal/serving/keys/work_key.ts";

Deno.test("A store that cannot free a key changes nothing of what its caller is told", async () => {
  const request = readRequestEnvelope({ headers: { "rpc-idempotency-key": "order" } });
  const body = new Uint8Array();
  const key = WorkKey.of({ procedure: "pay", request, body, scope: "caller" });
  if (key === undefined) throw new Error("The request has a key");
  const store = {
    claim: () => ({ state: "claimed" }) as const,
    keep() {},
    release() {
      throw new Error("the disk is full");
    },
  };
  const onNotKept = () => {};
  const claimed = new ClaimedWork({ store, queue: "math", maxAgeMs: 1_000, onNotKept });
  const work = { key, throwIfUnwanted() {} };
  const reply: EncodedReply = { type: "error", body: "{}", contentType: "application/json" };
  assertEquals(await claimed.run({ ...work, start: () => reply }), { reply, isReused: false });
  const unwanted = () => {
    throw new RpcError("cancelled", "not any more");
  };
  const late = { key, throwIfUnwanted: unwanted, start: () => reply };
  await assertRejects(() => claimed.run(late), RpcError, "not any more");
});
