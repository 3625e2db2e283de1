import { startJsrServer } from "../../tools/tasks/jsr_server.ts";
import { assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";

Deno.test("startJsrServer() lists versions as Deno asks for them", async () => {
  await using server = await startJsrServer();
  const response = await fetch(new URL("@std/uuid/meta.json", server.url));
  assertEquals(await response.json(), {
    scope: "std",
    name: "uuid",
    latest: "1.1.0",
    versions: { "1.1.0": {} },
  });
});

Deno.test("startJsrServer() gives files that fit their size and checksum", async () => {
  await using server = await startJsrServer();
  const base = new URL("@std/uuid/", server.url);
  const { exports, manifest } = await (await fetch(new URL("1.1.0_meta.json", base))).json();
  assertEquals(exports, { "./v7": "./v7.ts" });
  const file = await (await fetch(new URL("1.1.0/v7.ts", base))).bytes();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", file));
  assertEquals(manifest["/v7.ts"], { size: file.length, checksum: `sha256-${digest.toHex()}` });
});

Deno.test("startJsrServer() answers 404 for what no stand-in has", async () => {
  await using server = await startJsrServer();
  const response = await fetch(new URL("@std/path/meta.json", server.url));
  await response.body?.cancel();
  assertEquals(response.status, 404);
});

Deno.test("startJsrServer() serves on loopback until it is disposed of", async () => {
  const server = await startJsrServer();
  assertMatch(server.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  await server[Symbol.asyncDispose]();
  await assertRejects(() => fetch(new URL("@std/uuid/meta.json", server.url)), TypeError);
});
