import { assert, assertEquals } from "../../../../deps/std_assert.ts";
import { testUnless } from "../../../helpers/features.ts";
import { promtool, promtoolMissing } from "../../../helpers/promtool.ts";
import { ROOT } from "../../../helpers/source_files.ts";

const FOLDER = new URL("docs/grafana/", ROOT);
const missing = await promtoolMissing();

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

const rules = await Deno.readTextFile(new URL("alerts.yml", FOLDER));
const { panels }: { readonly panels: readonly Panel[] } = JSON.parse(
  await Deno.readTextFile(new URL("dashboard.json", FOLDER)),
);
const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

/** The table of all metrics. */
const doc = await Deno.readTextFile(new URL("docs/observe.md", ROOT));
const documented = new Set([...doc.matchAll(/^\| `(\w+)`/gm)].map(([, name = ""]) => name));

function metricsIn(text: string): string[] {
  return [...text.matchAll(/\b(?:rpc|warren)_(?:client|server|pool|connection)_\w+/g)]
    .map(([name]) => name.replace(/_(bucket|count|sum)$/, ""));
}

Deno.test("Alerts and dashboard are about metrics that there are", () => {
  const named = [rules, ...expressions].map((text) => metricsIn(text));
  for (const names of named) assert(names.length > 0);
  assertEquals(named.flat().filter((name) => !documented.has(name)), []);
});

Deno.test("The dashboard leaves out five of the metrics, and no other", () => {
  assertEquals(new Set(panels.map(({ id }) => id)).size, panels.length);
  const shown = new Set(expressions.flatMap(metricsIn));
  assertEquals([...documented].filter((name) => !shown.has(name)), [
    "warren_server_reused_outputs_total",
    "warren_client_dropped_replies_total",
    "warren_pool_tasks_total",
    "warren_pool_task_wait_duration_seconds",
    "warren_pool_task_run_duration_seconds",
  ]);
});

Deno.test(testUnless(missing, "promtool has each alert fire when it should, and only then", () => {
  return promtool(["test", "rules", new URL("alerts_test.yml", FOLDER).pathname]);
}));

Deno.test(
  testUnless(missing, "promtool takes the alerts, and what the panels ask for", async () => {
    await promtool(["check", "rules", new URL("alerts.yml", FOLDER).pathname]);
    const records = expressions.map((expr, index) => {
      const filled = expr.replaceAll("$__rate_interval", "1m").replaceAll("$job", ".*");
      return { record: `panel:${index}`, expr: filled };
    });
    const file = await Deno.makeTempFile({ suffix: ".yml" });
    try {
      await Deno.writeTextFile(
        file,
        JSON.stringify({ groups: [{ name: "panels", rules: records }] }),
      );
      await promtool(["check", "rules", file]);
    } finally {
      await Deno.remove(file);
    }
  }),
);
