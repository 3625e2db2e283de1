import { assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { LanguageServer, type Position } from "../../tools/measuring/language_server.ts";

const MOD = new URL("../../mod.ts", import.meta.url).href;

const PROGRAM = `import type { RpcClient } from "${MOD}";
export const handlers = {
  users: { get: (id: string) => ({ id }) },
};
declare const client: RpcClient<typeof handlers>;
await client.api.users.get("1");
`;

/** Where a text ends. */
function after(text: string): Position {
  const lines = PROGRAM.slice(0, PROGRAM.indexOf(text) + text.length).split("\n");
  return { line: lines.length - 1, character: (lines.at(-1)?.length ?? 0) - 1 };
}

Deno.test("Editors go from a call of client.api to its handler, and rename both", async () => {
  const folder = await Deno.makeTempDir({ prefix: "warren-lsp-" });
  try {
    await Deno.writeTextFile(`${folder}/deno.json`, '{ "lock": false }');
    await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
    const rootUri = new URL(`file://${folder}`).href;
    const uri = `${rootUri}/program.ts`;
    await using server = new LanguageServer(folder);
    await server.request("initialize", {
      processId: Deno.pid,
      rootUri,
      capabilities: { workspace: { configuration: true } },
      initializationOptions: { enable: true },
    });
    await server.notify("initialized", {});
    const textDocument = { uri, languageId: "typescript", version: 1, text: PROGRAM };
    await server.notify("textDocument/didOpen", { textDocument });

    const place = { textDocument: { uri }, position: after("client.api.users.get") };
    const handler = after("users: { g");
    const definition = JSON.stringify(await server.request("textDocument/definition", place));
    assertStringIncludes(definition, `"start":${JSON.stringify(handler)}`);
    const hover = JSON.stringify(await server.request("textDocument/hover", place));
    assertStringIncludes(hover, "get: (input: string, options?: CallOptions<unknown> | undefined)");
    const renamed = await server.request("textDocument/rename", { ...place, newName: "find" });
    const starts = JSON.stringify(renamed).match(/"start":\{[^}]*\}/g) ?? [];
    const call = after("client.api.users.g");
    assertEquals(
      starts.sort(),
      [handler, call].map((start) => `"start":${JSON.stringify(start)}`).sort(),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
