import * as std from "../../../tools/jsr/std/assert/mod.ts";
import { parseArgs } from "../../../tools/jsr/std/cli/parse_args.ts";
import {
  ProgressBar,
  type ProgressBarFormatter,
} from "../../../tools/jsr/std/cli/unstable_progress_bar.ts";
import { extractTimestamp, generate, validate } from "../../../tools/jsr/std/uuid/v7.ts";
import packages from "../../../tools/jsr/packages.json" with { type: "json" };
import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../../deps/std_assert.ts";

const ROOT = new URL("../../../", import.meta.url);
const JSR_EXPORT_REGEXP =
  /export (?:type )?\{([^}]*)\} from "jsr:(@\w+\/[\w-]+)@\^([\d.]+)(\/[\w-]+)?"/g;

/** One `export { … } from "jsr:…"` of deps/. */
interface JsrExport {
  readonly names: readonly string[];
  readonly package: string;
  readonly version: string;
  readonly entry: string;
}

async function jsrExports(): Promise<JsrExport[]> {
  const found: JsrExport[] = [];
  for await (const { name } of Deno.readDir(new URL("deps/", ROOT))) {
    const text = await Deno.readTextFile(new URL(`deps/${name}`, ROOT));
    for (
      const [, names = "", pkg = "", version = "", path = ""] of text.matchAll(JSR_EXPORT_REGEXP)
    ) {
      found.push({
        names: names.split(",").map((each) => each.trim()).filter(Boolean),
        package: pkg,
        version,
        entry: `.${path}`,
      });
    }
  }
  return found;
}

function standInOf({ package: name, entry }: JsrExport): { version: string; url: string } {
  const known: Record<
    string,
    { version: string; folder: string; exports: Record<string, string> }
  > = packages;
  const { version = "", folder = "", exports = {} } = known[name] ?? {};
  return { version, url: new URL(`tools/jsr/${folder}/${exports[entry]}`, ROOT).href };
}

Deno.test("deps/ imports from JSR only what the stand-ins export", async () => {
  const exports = await jsrExports();
  assert(exports.length >= 4);
  for (const each of exports) {
    const standIn: Record<string, unknown> = await import(standInOf(each).url);
    for (const name of each.names.filter((name) => !name.startsWith("type "))) {
      assertEquals(typeof standIn[name], "function", `${name} of ${each.package}`);
    }
  }
});

Deno.test("deps/ asks JSR for the versions that the stand-ins have", async () => {
  for (const each of await jsrExports()) {
    assertEquals(standInOf(each).version, each.version, each.package);
  }
});

Deno.test("the stand-ins have the documented signatures", () => {
  const _generate: (timestamp?: number) => string = generate;
  const _validate: (id: string) => boolean = validate;
  const _extract: (uuid: string) => number = extractTimestamp;
  const _rejects: (fn: () => PromiseLike<unknown>, msg?: string) => Promise<unknown> =
    std.assertRejects;
  const _rejectsWith: (
    fn: () => PromiseLike<unknown>,
    errorClass: new (message: string) => RangeError,
    msgIncludes?: string,
    msg?: string,
  ) => Promise<RangeError> = std.assertRejects;
  const _throwsWith: (
    fn: () => unknown,
    errorClass: new (message: string) => RangeError,
    msgIncludes?: string,
    msg?: string,
  ) => RangeError = std.assertThrows;
  const _unreachable: (msg?: string) => never = std.unreachable;
  const _bar: new (options: { max: number; fmt?: (fmt: ProgressBarFormatter) => string }) => {
    value: number;
    max: number;
    stop(): Promise<void>;
  } = ProgressBar;
});

Deno.test("parseArgs() gives the types that its options name", () => {
  const args = parseArgs([], {
    boolean: ["verbose"],
    string: ["queue", "url"],
    default: { queue: "rpc", size: 2 },
    alias: { url: "u" },
    "--": true,
  });
  const _verbose: boolean = args.verbose;
  const _queue: string = args.queue;
  const _url: string | undefined = args.url;
  const _alias: string | undefined = args.u;
  const _rest: Array<string | number> = args._;
  const _after: string[] = args["--"];
  // @ts-expect-error An option that is not named as a string or boolean is of unknown type.
  const _other: string = args.other;
});

Deno.test("generate() makes UUIDs of version 7 that differ", () => {
  const ids = new Set(Array.from({ length: 1_000 }, () => generate()));
  assertEquals(ids.size, 1_000);
  for (const id of ids) {
    assertMatch(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert(validate(id));
  }
});

Deno.test("generate() makes UUIDs that sort by their timestamp", () => {
  const times = [0, 1, 2 ** 16 - 1, 2 ** 16, 2 ** 32, 1_645_557_742_000, 2 ** 48 - 1];
  const ids = times.map((time) => generate(time));
  assertEquals(ids.toSorted(), ids);
  assertEquals(ids.map(extractTimestamp), times);
});

Deno.test("generate() and extractTimestamp() follow the example of RFC 9562", () => {
  assertEquals(extractTimestamp("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"), 1_645_557_742_000);
  assertEquals(generate(1_645_557_742_000).slice(0, 15), "017f22e2-79b0-7");
});

Deno.test("generate() and extractTimestamp() refuse what they cannot use", () => {
  for (const bad of [-1, 1.5, NaN]) {
    assertThrows(() => generate(bad), RangeError, `timestamp ${bad}`);
  }
  assertThrows(() => extractTimestamp("no"), TypeError, '"no"');
  assertFalse(validate("fac8c1e0-ad1a-4204-a0d0-8126ae84495d"));
});

Deno.test("assertions pass when they hold", async () => {
  std.assert(1);
  std.assertFalse(0);
  std.assertExists("");
  std.assertEquals({ a: [1, new Map([["k", new Date(0)]])] }, {
    a: [1, new Map([["k", new Date(0)]])],
  });
  std.assertNotEquals([1], [2]);
  std.assertStrictEquals(NaN, NaN);
  std.assertGreater(2, 1);
  std.assertGreaterOrEqual(2n, 2n);
  std.assertLess("a", "b");
  std.assertLessOrEqual(1, 1);
  std.assertInstanceOf(new RangeError(), Error);
  std.assertMatch("abc", /b/);
  std.assertStringIncludes("abc", "bc");
  std.assertThrows(() => std.unreachable("x"), std.AssertionError, "Unreachable: x");
  await std.assertRejects(() => Promise.reject(new TypeError("why")), TypeError, "why");
});

const FAILURES: ReadonlyArray<readonly [string, () => unknown, readonly string[]]> = [
  ["assert", () => std.assert(0, "zero"), ["zero"]],
  ["assertFalse", () => std.assertFalse(1, "one"), ["one"]],
  ["assertExists", () => std.assertExists(null), ["null"]],
  ["assertEquals", () => std.assertEquals({ a: 11 }, { a: 22 }, "msg"), ["11", "22", "msg"]],
  ["assertNotEquals", () => std.assertNotEquals([33], [33]), ["33"]],
  ["assertStrictEquals", () => std.assertStrictEquals("x1", "x2"), ["x1", "x2"]],
  ["assertGreater", () => std.assertGreater(1, 2), ["1 > 2"]],
  ["assertGreaterOrEqual", () => std.assertGreaterOrEqual(1, 2), ["1 >= 2"]],
  ["assertLess", () => std.assertLess(2, 1), ["2 < 1"]],
  ["assertLessOrEqual", () => std.assertLessOrEqual(2, NaN), ["2 <= NaN"]],
  ["assertInstanceOf", () => std.assertInstanceOf([], Map), ["Map", "Array"]],
  ["assertMatch", () => std.assertMatch("abc", /x/), ["abc", "/x/"]],
  ["assertStringIncludes", () => std.assertStringIncludes("abc", "x"), ['"abc"', '"x"']],
  ["assertThrows", () => std.assertThrows(() => {}), ["Expected function to throw"]],
  [
    "assertThrows with a class",
    () => std.assertThrows(() => std.unreachable(), TypeError),
    ["TypeError", "AssertionError"],
  ],
  [
    "assertThrows with a text",
    () => std.assertThrows(() => std.unreachable(), Error, "text"),
    ["text", "Unreachable"],
  ],
];

for (const [name, fail, texts] of FAILURES) {
  Deno.test(`${name} says what it has and what it wants`, () => {
    const { message } = assertThrows(fail, std.AssertionError);
    for (const text of texts) assertStringIncludes(message, text);
  });
}

Deno.test("assertEquals() tells values apart that only look alike", () => {
  class Point {
    x = 1;
  }
  const pairs: ReadonlyArray<readonly [unknown, unknown]> = [
    [1, "1"],
    [1n, 1],
    [null, undefined],
    [{ a: undefined }, {}],
    [{ x: 1 }, new Point()],
    [[1, 2], [2, 1]],
    [new Set([1]), new Set([2])],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [new Uint8Array([1]), new Uint8Array([2])],
    [new Date(0), new Date(1)],
    [/a/, /a/g],
  ];
  for (const [a, b] of pairs) assertThrows(() => std.assertEquals(a, b), std.AssertionError);
});

Deno.test("assertEquals() compares cycles, sets in any order and bare records", () => {
  const a: Record<string, unknown> = { n: 1 };
  const b: Record<string, unknown> = { n: 1 };
  a.self = a;
  b.self = b;
  std.assertEquals(a, b);
  std.assertEquals(new Set([{ k: 1 }, { k: 2 }]), new Set([{ k: 2 }, { k: 1 }]));
  std.assertEquals<object>(Object.assign(Object.create(null), { k: 1 }), { k: 1 });
  std.assertEquals(0, -0);
});

Deno.test("assertRejects() fails on a promise that resolves and on a throw", async () => {
  await assertRejects(
    () => std.assertRejects(() => Promise.resolve()),
    std.AssertionError,
    "Expected function to reject",
  );
  await assertRejects(
    () => std.assertRejects(() => std.unreachable()),
    std.AssertionError,
    "Function throws when expected to reject",
  );
});

Deno.test("assertThrows() and assertRejects() give the error back", async () => {
  const error = new RangeError("r");
  std.assertStrictEquals(std.assertThrows(() => std.assert(throwing(error))), error);
  std.assertStrictEquals(await std.assertRejects(() => Promise.reject(error), RangeError), error);
});

function throwing(error: Error): never {
  throw error;
}

const PARSED: ReadonlyArray<readonly [readonly string[], Record<string, unknown>]> = [
  [["--queue", "q1", "--verbose", "pos"], { queue: "q1", verbose: true, _: ["pos"] }],
  [["--queue=q=1"], { queue: "q=1" }],
  [["--queue", "17"], { queue: "17" }],
  [["--queue="], { queue: "" }],
  [["--size", "4"], { size: 4, s: 4 }],
  [["-s4"], { size: 4, s: 4 }],
  [["-s", "4"], { size: 4, s: 4 }],
  [["-v"], { verbose: true, v: true }],
  [["--verbose", "false"], { verbose: false }],
  [["--verbose=false"], { verbose: false }],
  [["--no-color"], { color: false }],
  [["--no-other"], { "no-other": true }],
  [["--other", "--verbose"], { other: true, verbose: true }],
  [["7", "x7", "-"], { _: [7, "x7", "-"] }],
  [["a", "--", "--queue", "b"], { _: ["a", "--queue", "b"] }],
];

for (const [args, expected] of PARSED) {
  Deno.test(`parseArgs() reads ${JSON.stringify(args)}`, () => {
    const parsed = parseArgs([...args], {
      boolean: ["verbose", "color"],
      string: ["queue"],
      negatable: ["color"],
      default: { color: true, size: 2 },
      alias: { verbose: "v", size: ["s"] },
    });
    const defaults = { verbose: false, v: false, color: true, size: 2, s: 2, _: [] };
    const verbose = expected.verbose ?? false;
    assertEquals<unknown>({ ...parsed }, { ...defaults, verbose, v: verbose, ...expected });
  });
}

Deno.test("parseArgs() keeps what follows -- apart when asked to", () => {
  const parsed = parseArgs(["a", "--", "-b", "c"], { "--": true });
  assertEquals<unknown>({ ...parsed }, { _: ["a"], "--": ["-b", "c"] });
});

Deno.test("ProgressBar draws at the start, redraws in stop() and ends the line", async () => {
  const { written, writable } = sink();
  const bar = new ProgressBar({
    max: 4,
    barLength: 8,
    writable,
    fmt: (state) => state.progressBar,
  });
  bar.value += 2;
  await bar.stop();
  assertEquals(written(), "\r\u001b[K--------\r\u001b[K####----\n");
});

Deno.test("ProgressBar gives its state to fmt, and the last value beside the new", async () => {
  const states: ProgressBarFormatter[] = [];
  const bar = new ProgressBar({
    max: 10,
    value: 1,
    writable: sink().writable,
    fmt: (state) => String(states.push(state)),
  });
  bar.value = 5;
  bar.max = 20;
  await bar.stop();
  const [first, last] = states;
  assertEquals([first?.value, last?.value, last?.previousValue, last?.max], [1, 5, 1, 20]);
  assertEquals(last?.styledTime, "00:00");
  assertEquals(last?.previousTime, first?.time);
});

Deno.test("ProgressBar has characters, a default line, and clears when asked to", async () => {
  const { written, writable } = sink();
  const bar = new ProgressBar({
    max: 2_048,
    value: 1_024,
    barLength: 4,
    fillChar: "=",
    emptyChar: ".",
    clear: true,
    writable,
  });
  await bar.stop();
  assertEquals(written(), "\r\u001b[K[00:00] [==..] [1.00/2.00 KiB]\r\u001b[K");
});

Deno.test("ProgressBar closes its stream unless it is kept open", async () => {
  const kept = sink();
  await new ProgressBar({ max: 1, writable: kept.writable }).stop();
  assertFalse(kept.closed());
  const closed = sink();
  await new ProgressBar({ max: 1, writable: closed.writable, keepOpen: false }).stop();
  assert(closed.closed());
  assertNotEquals(closed.written(), "");
});

function sink(): {
  readonly writable: WritableStream<Uint8Array>;
  readonly written: () => string;
  readonly closed: () => boolean;
} {
  let text = "";
  let closed = false;
  const decoder = new TextDecoder();
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) => void (text += decoder.decode(chunk)),
    close: () => void (closed = true),
  });
  return { writable, written: () => text, closed: () => closed };
}
