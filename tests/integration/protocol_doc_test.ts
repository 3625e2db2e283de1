import { assert, assertEquals } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { startPair } from "../helpers/pair.ts";
import { modulePaths, ROOT, textOf } from "../helpers/source_files.ts";

const doc = await Deno.readTextFile(new URL("docs/protocol.md", ROOT));

/** The headers of ours in the first table of a section. */
function headersOf(section: string): string[] {
  const [, text = ""] = doc.split(`\n## ${section}\n`);
  const [, table = ""] = /\n((?:\|.*\n)+)/.exec(text) ?? [];
  return [...table.matchAll(/^\| header `(rpc-[\w-]+)`/gm)].map(([, name = ""]) => name);
}

Deno.test("docs/protocol.md has the headers of a reply, and no others, in its table", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  await using peer = await AmqpPeer.open();
  // A plain call: it is no stream, and is not told that it was taken.
  const names = headersOf("Request").filter((name) => !/^rpc-(credits|taken)$/.test(name));
  const headers = {
    ...Object.fromEntries(names.map((name) => [name, "1"])),
    "rpc-batches": true,
    "rpc-timing": true,
    "rpc-progress": true,
    "rpc-deadline": Date.now() + 60_000,
    "rpc-reply-to": peer.replyQueue,
  };
  assert(Object.keys(headers).length > 8);
  const reply = await peer.request(pair.queue, "1", { type: "echo", headers });
  assertEquals(reply.properties.type, "output");
  const sent = Object.keys(reply.properties.headers ?? {}).filter((name) => /^rpc-/.test(name));
  assertEquals(sent.toSorted(), headersOf("Reply").toSorted());
});

Deno.test("docs/protocol.md tells of every header and message of the protocol", () => {
  const source = modulePaths.filter((path) => path.startsWith("internal/protocol/"))
    .map(textOf).join("\n");
  const names = [...source.matchAll(/"((?:rpc|x-rpc)-[\w-]+)"/g)].map(([, name = ""]) => name);
  assert(names.length > 15);
  assertEquals(names.filter((name) => !doc.includes(`\`${name}`)), []);
});
