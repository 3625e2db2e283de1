import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import { encodeFrame, FrameReader, joinBytes } from "../../../workers/wire/frames.ts";
import type { WorkerMessage } from "../../../workers/wire/protocol.ts";

const contentType = "application/json";
const MESSAGES: readonly WorkerMessage[] = [
  { type: "ready", version: 1, procedures: ["a", "ö"] },
  { type: "output", id: 1, body: "ü", contentType, runMs: 1 },
  { type: "output", id: 2, body: new Uint8Array([1, 2]), contentType, runMs: 1 },
  { type: "error", id: 3, body: "", contentType, runMs: 1 },
  { type: "item", id: 4, seq: 0, body: "x".repeat(300), contentType },
];

function read(chunks: readonly Uint8Array[], maxBodyBytes?: number): WorkerMessage[] {
  const reader = new FrameReader<WorkerMessage>(maxBodyBytes);
  return chunks.flatMap((chunk) => reader.read(chunk));
}

/** What a body of no bytes comes back as. */
function withBody(message: WorkerMessage): WorkerMessage {
  return "body" in message ? message : Object.assign({ body: "" }, message);
}

Deno.test("FrameReader.read() finds messages, however they are cut", () => {
  const bytes = joinBytes(MESSAGES.flatMap((message) => encodeFrame(message)));
  for (const size of [1, 2, 3, 5, 11, 12, 13, 64, bytes.length]) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    assertEquals(read(chunks), MESSAGES.map(withBody), `chunks of ${size}`);
  }
});

Deno.test("FrameReader.read() refuses what is no message at its first byte", () => {
  const encoder = new TextEncoder();
  const message = joinBytes(encodeFrame({ type: "skipped", id: 1 }));
  for (const text of ["x", "\n", "\u{10ffff}", "[1]", "\u{0}\u{0}"]) {
    for (const chunks of [[encoder.encode(text)], [message, encoder.encode(text), message]]) {
      assertThrows(() => read(chunks), TypeError, "it begins with something else");
    }
  }
});

Deno.test("FrameReader.read() refuses a message that is too large before it has come", () => {
  const [start, header] = encodeFrame(MESSAGES[4] ?? { type: "skipped", id: 1 });
  assertThrows(() => read(start === undefined ? [] : [start], 299), TypeError, "and 300 bytes");
  assertEquals(read([start, header].flatMap((piece) => piece ?? []), 300), []);
  const long = joinBytes(encodeFrame({ type: "ending", reason: "x".repeat(5_000_000) }));
  assertThrows(() => read([long.subarray(0, 12)]), TypeError, "it is too large");
});
