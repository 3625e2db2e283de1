import { assert, assertEquals } from "../../deps/std_assert.ts";
import { AMQPLIB_VERSION } from "../../internal/broker/amqplib_inside.ts";
import { billOfMaterials } from "../../tools/sbom/bill_of_materials.ts";

Deno.test("The bill of materials has what the published package loads, and no more", async () => {
  const { components, dependencies, metadata } = await billOfMaterials();
  const names = components.map(({ name }) => name);
  assertEquals(names, ["@opentelemetry/api", "amqplib", "commander"]);
  const amqplib = components.find(({ name }) => name === "amqplib");
  assertEquals(amqplib?.purl, `pkg:npm/amqplib@${AMQPLIB_VERSION}`);
  assertEquals(amqplib?.licenses, [{ license: { id: "MIT" } }]);
  const [own] = dependencies;
  assertEquals(own?.ref, metadata.component["bom-ref"]);
  const refs = new Set(components.map((component) => component["bom-ref"]));
  for (const { dependsOn } of dependencies) {
    for (const ref of dependsOn) assert(refs.has(ref), ref);
  }
});
