import { assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { RpcServer } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { warren } from "../helpers/warren.ts";

/** What procedures give that JSON has no words for. */
const ODD_VALUE = {
  taken: new Date(0),
  pixels: new Uint8Array([1, 2, 3]),
  big: 2n ** 70n,
  names: new Map<unknown, unknown>([["a", new Set([1])]]),
  share: NaN,
  zero: -0,
};

async function serve(stack: AsyncDisposableStack): Promise<string> {
  const queue = randomQueue();
  stack.defer(() => deleteQueue(queue));
  const handlers = {
    echo: (value: unknown) => value,
    odd: () => ODD_VALUE,
    *lines() {
      yield "one";
      yield "two \u001b[31m";
    },
    reverse: (bytes: Uint8Array) => bytes.toReversed(),
    kind: (value: unknown) => value instanceof Uint8Array ? "bytes" : typeof value,
  };
  const options = { queue, handlers, codecs: [msgpackCodec], log: false } as const;
  stack.use(await RpcServer.listen(brokerUrl(), options));
  return queue;
}

Deno.test("warren call has MessagePack, and prints it as JSON", async () => {
  await using stack = new AsyncDisposableStack();
  const queue = await serve(stack);
  const odd = await warren(["call", queue, "odd", "--codec", "msgpack"]);
  assertEquals(odd.stderr, "");
  assertEquals(
    odd.stdout,
    '{"taken":"1970-01-01T00:00:00.000Z","pixels":"AQID","big":1180591620717411303424,' +
      '"names":[["a",[1]]],"share":"NaN","zero":0}\n',
  );
  const echo = await warren([
    "call",
    queue,
    "echo",
    '{"n":12345678901234567890}',
    "--codec=msgpack",
  ]);
  assertEquals(echo.stdout, '{"n":12345678901234567890}\n');
  const broken = await warren(["call", queue, "echo", "{", "--codec=msgpack"]);
  assertEquals([broken.code, broken.stdout], [65, ""]);
  const unknown = await warren(["call", queue, "echo", "--codec=xml"]);
  assertEquals(unknown.code, 64);
  assertStringIncludes(unknown.stderr, "json, msgpack, bytes");
});

Deno.test("warren call sends bytes as they are, and writes those that come", async () => {
  await using stack = new AsyncDisposableStack();
  const queue = await serve(stack);
  const file = await Deno.makeTempFile();
  stack.defer(() => Deno.remove(file));
  await Deno.writeFile(file, new Uint8Array([0x33, 0x32, 0xff, 0x31]));
  const kind = await warren(["call", queue, "kind", `@${file}`, "--codec", "bytes"]);
  assertEquals([kind.code, kind.stdout], [0, '"bytes"\n'], kind.stderr);
  // Not JSON, and needs not be.
  const text = await warren(["call", queue, "reverse", "{321", "--codec", "bytes"]);
  assertEquals([text.code, text.stdout], [0, "123{"], text.stderr);
  const folder = await warren(["call", queue, "kind", "@/", "--codec", "bytes"]);
  assertEquals([folder.code, folder.stdout], [65, ""]);
  assertStringIncludes(folder.stderr, 'Cannot read the input from "/"');
});

Deno.test("warren call --raw prints texts without quotes", async () => {
  await using stack = new AsyncDisposableStack();
  const queue = await serve(stack);
  const text = '"Hello\\n\\"Ann\\""';
  const plain = await warren(["call", queue, "echo", text]);
  assertEquals(plain.stdout, `${text}\n`);
  const raw = await warren(["call", queue, "echo", text, "--raw"]);
  assertEquals(raw.stdout, 'Hello\n"Ann"\n');
  const value = await warren(["call", queue, "echo", '["a"]', "--raw"]);
  assertEquals(value.stdout, '["a"]\n');
  const lines = await warren(["call", queue, "lines", "--stream", "--raw"]);
  assertEquals(lines.stdout, "one\ntwo \u001b[31m\n");
  const none = await warren(["call", queue, "lines", "--stream", "--raw", "-o", "none"]);
  assertEquals(none.stdout, "");
});
