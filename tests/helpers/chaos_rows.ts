/** The chaos suite in short: few faults of each kind, with the same checks. @module */

import type { Fault } from "../../chaos/fault.ts";
import { faultsOf } from "../../chaos/faults/mod.ts";
import { rowLines } from "../../chaos/report.ts";
import { runFault } from "../../chaos/run_fault.ts";
import { SharedNode } from "../../chaos/processes/shared_node.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { findRabbitmq } from "../../tools/brokers/rabbitmq_install.ts";
import { rabbitmqTest } from "./features.ts";

/** Declares a test for each row that is neither long nor left out. */
export function testRows(isWanted: (fault: Fault) => boolean): void {
  const install = findRabbitmq();
  const version = typeof install === "string" ? "" : install.version;
  const node = new SharedNode();
  Deno.test.beforeAll(async () => {
    if (typeof install !== "string") await node.get();
  });
  Deno.test.afterAll(() => node[Symbol.asyncDispose]());
  const faults = faultsOf(version).filter(({ isLong = false }) => !isLong);
  for (const fault of faults.filter(isWanted)) {
    const name = `${fault.id}: ${fault.title}`;
    Deno.test(rabbitmqTest(name, async () => {
      const { signal } = new AbortController();
      const seed = Number(Deno.env.get("CHAOS_SEED") ?? Math.floor(Math.random() * 2 ** 32));
      const row = await runFault(fault, { seed, budgetMs: 0, isShort: true, signal, node });
      assertEquals(row.verdict, "passed", [`Seed ${seed}`, ...rowLines(row)].join("\n"));
    }));
  }
}
