import { assert, assertEquals } from "../../deps/std_assert.ts";
import { parseOutdated, readDependencies } from "../../tools/releases/newer_versions.ts";

const OUTPUT = `
┌───────────────┬─────────┬─────────┬────────┐
│ Package       │ Current │ Update  │ Latest │
├───────────────┼─────────┼─────────┼────────┤
│ npm:commander │ 14.0.3  │ 14.0.3  │ 15.1.0 │
├───────────────┼─────────┼─────────┼────────┤
│ npm:@a/b      │ 0.10.0  │ 0.10.0  │ 2.3.1  │
└───────────────┴─────────┴─────────┴────────┘
`;

Deno.test("parseOutdated() reads what Deno says is newer", () => {
  const asked = [
    { name: "@a/b", asked: "0.10.0" },
    { name: "commander", asked: "^14.0.0" },
    { name: "zod", asked: "^4.0.0" },
  ];
  const newer = parseOutdated(OUTPUT, asked);
  assertEquals(newer.map(({ name, latest }) => [name, latest]), [
    ["@a/b", "2.3.1"],
    ["commander", "15.1.0"],
  ]);
});

Deno.test("readDependencies() finds the packages of deps/", async () => {
  const found = await readDependencies(new URL("../../deps/", import.meta.url));
  const names = found.map(({ name }) => name);
  for (const name of ["amqplib", "commander", "@opentelemetry/api"]) assert(names.includes(name));
  assertEquals(found.find(({ name }) => name === "amqplib")?.asked.startsWith("^"), false);
});
