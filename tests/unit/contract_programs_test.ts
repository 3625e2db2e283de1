import { assert, assertEquals } from "../../deps/std_assert.ts";
import deno from "../../deno.json" with { type: "json" };
import { WRONG_PROGRAMS } from "../fixtures/contract/wrong_programs.ts";

const ROOT = new URL("../../", import.meta.url).href;

/** What the programs need not import for themselves. */
const HEAD = `
import { z } from "${ROOT}deps/zod.ts";
import { procedure } from "${ROOT}extras/schema.ts";
import { withResilience } from "${ROOT}extras/resilience/resilience.ts";
import { fakeClient, localClient } from "${ROOT}testing/mod.ts";
import { type CallContext, type Caller, type Handlers, implement, type Procedure, isRpcError, RpcClient, RpcServer, safe, type WithMsgpack } from "${ROOT}mod.ts";
import { WorkerPool } from "${ROOT}workers/mod.ts";
import { expose } from "${ROOT}workers/runtime.ts";
import * as contract from "${ROOT}tests/fixtures/contract/service.ts";
import { anyPool, code, pool, procedures, Service, service, type Shop, shop, type Work } from "${ROOT}tests/fixtures/contract/service.ts";
declare const url: string;
declare const queue: string;
export { contract, expose, fakeClient, localClient, withResilience, implement, isRpcError, safe, procedure, RpcClient, RpcServer, WorkerPool, z };
export type { CallContext, Procedure };
`;

/** Options as the programs of users have them. */
const CONFIG = {
  compilerOptions: { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
  lock: false,
};

const programs = Object.entries(WRONG_PROGRAMS).flatMap(([subject, programs]) =>
  programs.map((program) => ({ subject, ...program }))
);

/** The most lines of any message, and those of where it is do not count. */
const MAX_LINES = 8;

/** What the compiler says, by the number of the program; one run for all, as each takes seconds. */
async function compile(): Promise<ReadonlyMap<number, string>> {
  const folder = await Deno.makeTempDir({ prefix: "warren-types-" });
  try {
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(CONFIG));
    const paths = programs.map((_, index) => `${folder}/program${index}.ts`);
    for (const [index, { code }] of programs.entries()) {
      await Deno.writeTextFile(paths[index] ?? "", HEAD + written(code));
    }
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--config", `${folder}/deno.json`, ...paths],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    return messagesOf(new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** `serve<C>(handlers)` is short for a server of that contract. */
function written(code: string): string {
  return code.replace(
    /^serve<(.+)>\((\{.*)\);$/,
    "await RpcServer.listen<$1>(url, { queue, handlers: $2 });",
  );
}

/** The first message of each program, without the lines that quote it. */
function messagesOf(output: string): ReadonlyMap<number, string> {
  const messages = new Map<number, string>();
  for (const report of output.split(/\n(?=TS\d+ \[ERROR\])/)) {
    const [, index] = /at file:\/\/\S*\/program(\d+)\.ts/.exec(report) ?? [];
    if (index === undefined || messages.has(Number(index))) continue;
    const lines = report.split("\n");
    const end = lines.findIndex((line, at) => at > 0 && !/^ +\S/.test(line));
    messages.set(Number(index), lines.slice(0, end === -1 ? undefined : end).join("\n"));
  }
  return messages;
}

/** What the language, the schemas of the programs and the service of all programs export. */
const OTHER_NAMES = [
  ...["AsyncGenerator", "AsyncIterable", "Date", "Error", "Generator", "Iterable", "Promise"],
  ...["IteratorResult", "IteratorYieldResult", "Map", "Pick", "Readonly", "Record", "Uint8Array"],
  ...["ArrayBuffer", "ArrayBufferLike", "Symbol"],
  ...["Service", "Shop", "Work"],
  ...["ZodNumber", "ZodPipe", "ZodString", "ZodTransform"],
];

/** The names that the entries of the package export. */
async function exportedNames(): Promise<readonly string[]> {
  const texts = Object.values(deno.exports).map((path) => Deno.readTextFile(new URL(path, ROOT)));
  return (await Promise.all(texts)).flatMap((text) => [
    ...(text.match(/^export (?:type )?\{[^}]*\}/gm) ?? []).flatMap((list) =>
      list.match(/\w+/g) ?? []
    ),
    ...Array.from(
      text.matchAll(/^export (?:class|interface|type) (\w+)/gm),
      ([, name = ""]) => name,
    ),
  ]);
}

const messages = await compile();

for (const subject of Object.keys(WRONG_PROGRAMS)) {
  Deno.test(`The compiler refuses wrong ${subject}`, () => {
    for (const [index, program] of programs.entries()) {
      if (program.subject !== subject) continue;
      const message = messages.get(index) ?? "it compiles";
      const missing = program.words.filter((words) => !message.includes(words));
      assertEquals(missing, [], `${program.code}\n${message}`);
      assert(message.split("\n").length <= MAX_LINES, `${program.code}\n${message}`);
    }
  });
}

Deno.test("The compiler's messages show names that a user can write", async () => {
  const known = new Set([...await exportedNames(), ...OTHER_NAMES]);
  for (const [index, message] of messages) {
    // Types are quoted, and so is what the program itself says.
    const types =
      message.match(/(?<=\s)'[^']*'(?=[\s.,:]|$)/gm)?.join(" ").replaceAll(/"[^"]*"/g, "") ??
        "";
    const names = types.match(/(?<![\w.#])[A-Z]\w*(?![\w:?])/g) ?? [];
    const { code = "" } = programs[index] ?? {};
    const unwritable = names.filter((name) => !known.has(name) && !code.includes(name));
    assertEquals(unwritable, [], `${code}\n${message}`);
  }
});

Deno.test("There are at least 60 programs that must not compile", () => {
  assert(programs.length >= 60, `There are ${programs.length}`);
});
