/** Definitions of a broker, as operators import them. @module */

import type { PrivateNode } from "../../tools/brokers/private_node.ts";

/** Imports what is defined: each command takes a second, so that one is better than many. */
export async function importDefinitions(node: PrivateNode, definitions: object): Promise<void> {
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify(definitions));
    await node.ctl("import_definitions", file);
  } finally {
    await Deno.remove(file);
  }
}
