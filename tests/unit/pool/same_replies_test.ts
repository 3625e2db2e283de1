import { assertEquals } from "../../../deps/std_assert.ts";
import type { EncodedReply } from "../../../internal/encoded_reply.ts";
import type { EncodedHandler } from "../../../internal/running/encoded_handler.ts";
import { openHandler } from "../../../internal/running/encoded_handler.ts";
import { encodeError } from "../../../internal/running/encode.ts";
import { inlineHandler } from "../../../internal/serving/inline_handler.ts";
import { mistakes } from "../../fixtures/workers/mistakes.ts";
import { encodedRequest, openPool } from "./pool_helpers.ts";

/** What a caller gets, as a server would encode it. */
async function outcomeOf(reply: () => Promise<EncodedReply> | EncodedReply) {
  const { type, body, contentType } = await (async () => await reply())().catch(encodeError);
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  return { type, contentType, text };
}

function call(handler: EncodedHandler, name: string, contentType?: string) {
  const request = encodedRequest(name, "3", contentType === undefined ? {} : { contentType });
  return outcomeOf(() => handler.handle(request));
}

async function stream(handler: EncodedHandler, name: string, credits: number | undefined) {
  const items: unknown[] = [];
  const progress: unknown[] = [];
  const sink = {
    ...(credits === undefined ? {} : { credits }),
    onItem: ({ body }: { body: unknown }) => items.push(body),
    onProgress: ({ body }: { body: unknown }) => progress.push(body),
  };
  const request = encodedRequest(name, "3");
  const outcome = await outcomeOf(() => handler.start?.(request, sink).reply ?? missing());
  return { ...outcome, items, progress };
}

function missing(): never {
  throw new TypeError("Cannot stream as the handler has no start()");
}

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`A procedure gives the same inline and in a ${isolation}`, async () => {
    await using pool = await openPool<typeof mistakes>("mistakes_worker.ts", { isolation });
    const handlers = pool.handlers();
    for (const name of Object.keys(mistakes)) {
      const there = openHandler(handlers[name]) ?? missing();
      const here = inlineHandler(mistakes[name] ?? missing, []);
      assertEquals(await call(here, name), await call(there, name), `call ${name}`);
      for (const credits of [undefined, 64]) {
        const expected = await stream(there, name, credits);
        assertEquals(await stream(here, name, credits), expected, `stream ${name} ${credits}`);
      }
    }
    const there = openHandler(handlers.plain) ?? missing();
    const here = inlineHandler(() => 1, []);
    const unknown = "application/x-unknown";
    assertEquals(await call(here, "plain", unknown), await call(there, "plain", unknown));
  });
}
