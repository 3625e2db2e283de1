import { assertEquals } from "../../../deps/std_assert.ts";
import { readMessageText, writeMessageText } from "../../../workers/wire/message_text.ts";
import type { PoolMessage, WorkerMessage } from "../../../workers/wire/protocol.ts";

type Message = PoolMessage | WorkerMessage;
const contentType = "application/json";

function assertKept(...messages: readonly Message[]) {
  assertEquals(readMessageText(writeMessageText(messages) ?? ""), messages);
}

Deno.test("writeMessageText() keeps plain tasks and their outputs", () => {
  assertKept(
    { type: "run", id: 1, cell: 0, procedure: "add", body: '{"a":1,"b":2}' },
    { type: "run", id: 2, cell: 1, procedure: "empty", body: "" },
    { type: "output", id: 1, body: "3", contentType, runMs: 0.125 },
    { type: "error", id: 2, body: '{"name":"Error"}', contentType, runMs: 0 },
  );
});

Deno.test("writeMessageText() keeps all details of a task and a reply", () => {
  assertKept(
    {
      type: "run",
      id: 7,
      cell: 3,
      procedure: "two\nlines",
      body: "1",
      contentType: "text/x",
      correlationId: "c",
      deadline: 1_700_000_000_000,
      redeliveries: 2,
      credits: 64,
      wantsProgress: true,
    },
    { type: "output", id: 7, body: "1", contentType, runMs: 1, memoryMb: 3.5 },
    { type: "output", id: 8, body: "1", contentType: "text/x", runMs: 1 },
  );
});

Deno.test("writeMessageText() keeps messages that are neither tasks nor replies", () => {
  assertKept(
    { type: "abort", id: 1 },
    { type: "credit", id: 1, count: 8 },
    { type: "item", id: 1, seq: 4, body: "[1,2]", contentType },
    { type: "progress", id: 1, seq: 0, body: "0.5", contentType },
    { type: "skipped", id: 1 },
    { type: "ready", version: 1, procedures: ["add"] },
    { type: "ending", reason: "it called close()" },
  );
});

Deno.test("writeMessageText() keeps bodies of any characters apart", () => {
  const bodies = ["a\nb", '"\\', "é中😀", "\ud800", "\0", "[[0,1,2]]\n", ""];
  assertKept(...bodies.map((body, id): Message => ({
    type: "output",
    id,
    body,
    contentType,
    runMs: 0,
  })));
});

Deno.test("writeMessageText() leaves binary bodies to the structured clone", () => {
  const body = new Uint8Array(3);
  assertEquals(
    writeMessageText([{ type: "run", id: 1, cell: 0, procedure: "sum", body }]),
    undefined,
  );
});
