import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { spansIn, treeOf } from "../helpers/exported_spans.ts";
import { ExampleQueue, runExample } from "./run_example.ts";

/** Where examples are run: by tests, and one by another. */
const RUNNERS = [
  "examples_test.ts",
  "more_examples_test.ts",
  "python_test.ts",
  "../../examples/python/main.ts",
];

/** Examples that need no other one, and the lines that they print. */
const OUTPUTS: Readonly<Record<string, RegExp>> = {
  "batching/main.ts":
    /^one by one: sum 24995000, \d+ calls\/s\nwith batching: sum 24995000, \d+ calls\/s\n$/,
  "cancellation/main.ts":
    /^Given up: TimeoutError\nToo late: timeout\nThe server works on 0 requests\n$/,
  "health/main.ts":
    /^\/livez 200\n\/readyz 200\n\/metrics has \d+ metrics\n\/readyz 503, as the server is closed\n$/,
  "lanes/main.ts":
    /^pong, while 40 reports are awaited\nada has it, in shard \d\n[^]*\n40 reports are done\n$/,
  "many_servers/main.ts":
    /^north served [1-9]\d* calls\neast served [1-9]\d* calls\nsouth served [1-9]\d* calls\n$/,
  "durable_callbacks/main.ts":
    /^The first program has ended\n12 pages are printed, for {"order":7}\n$/,
  "process_isolation/main.ts":
    /^\S+: Requires read access to "\/etc\/passwd".*\nworker-crashed: .*\nThe square of 12 is 144\n$/,
  "resilience/main.ts":
    /^Sunny in Oslo, after 3 attempts\nRome: \S+\nRiga: \S+\nReno: circuit-open\n$/,
  "schema/main.ts":
    /^User 1 is Ada, born in 1815\nThere is no user 2\ninvalid-input: .* at "\$\.id"\n$/,
  "streaming/main.ts": /^25 % done\n[^]*\n16\n[^]*Read 1000 of 1000000 items, and left\n$/,
  "tracing/main.ts": /^The shop works on trace [0-9a-f]{32}\nThat makes 8\n$/,
};

for (const [name, output] of Object.entries(OUTPUTS)) {
  Deno.test(`${name} shows what it is about`, async () => {
    await using queue = new ExampleQueue();
    const { code, stdout, stderr } = await runExample(name, ["--queue", queue.name]);
    assertMatch(stdout, output, stderr);
    assertEquals(code, 0);
  });

  Deno.test(`${name} says in one line that there is no broker`, async () => {
    const { code, stderr } = await runExample(name, ["--url", "amqp://127.0.0.1:1"]);
    // Deno prints what is traced behind it.
    const [line = ""] = stderr.split(/^(?=LOG |METRIC )/m);
    assertMatch(line, /^Cannot connect to the broker at 127\.0\.0\.1:1 .* start RabbitMQ .*\n$/);
    assertEquals(code, 1);
  });
}

Deno.test("testing/service_test.ts passes without a broker", async () => {
  const { code, stdout } = await runExample("testing/service_test.ts", []);
  assertMatch(stdout, /2 passed/);
  assertEquals(code, 0);
});

Deno.test("tracing/main.ts prints spans that are one tree", async () => {
  await using queue = new ExampleQueue();
  const { stderr } = await runExample("tracing/main.ts", ["--queue", queue.name]);
  const tree = treeOf(spansIn(stderr), `${queue.name}/buy`).map((line) => {
    return line.replace(queue.name, "shop").replace("shop.prices", "prices");
  });
  assertEquals(tree, [
    "CLIENT shop/buy OK",
    "  SERVER shop/buy #1 OK",
    "    CLIENT prices/priceOf OK",
    "      SERVER prices/priceOf #1 OK",
    "    CLIENT prices/priceOf OK",
    "      SERVER prices/priceOf #1 OK",
  ]);
});

Deno.test("thumbnails/main.ts shrinks real pictures", async () => {
  await using queue = new ExampleQueue();
  const folder = await Deno.makeTempDir();
  try {
    const args = ["docs/images", folder, "--queue", queue.name];
    const { code, stdout, stderr } = await runExample("thumbnails/main.ts", args);
    assertMatch(stdout, /^[1-9]\d* thumbnails of \d{4,} bytes are in .*\n$/, stderr);
    assertEquals(code, 0);
    const picture = await Deno.readTextFile(`${folder}/page_calm.png.webp`);
    assertMatch(picture, /^RIFF.{4,12}WEBP/s);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Every example says on its first line how it is run, and is run by a test", async () => {
  const here = (name: string) => Deno.readTextFile(new URL(name, import.meta.url));
  const runners = await Promise.all(RUNNERS.map(here));
  const table = await here("../../examples/README.md");
  const paths = (await Array.fromAsync(walk("../../examples"))).filter((path) => {
    return /\.(ts|py)$/.test(path);
  });
  assert(paths.length > 20);
  for (const path of paths) {
    const text = await here(`../../examples/${path}`);
    assert(text.split("\n").length <= 61, `${path} is too long to be read in passing`);
    if (/^\/\/ (A worker file|What every example has)/.test(text)) continue;
    const command = path.endsWith(".py")
      ? /^""".*: (python3 examples\/python\/)?\w+\.py QUEUE/
      : new RegExp(`^// (\\w+=\\S+ )*deno (run|test) .*examples/${path}( |\\n)`);
    assertMatch(text, command, path);
    const [name = ""] = path.endsWith(".py") ? path.split("/").slice(-1) : [path];
    assert(runners.some((test) => test.includes(`"${name}`)), `No test runs ${path}`);
    assert(table.includes(`(${path})`), `examples/README.md does not name ${path}`);
  }
});

/** The files of a folder and of those in it. */
async function* walk(folder: string, below = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, import.meta.url))) {
    if (isDirectory) yield* walk(`${folder}/${name}`, `${below}${name}/`);
    else yield `${below}${name}`;
  }
}
