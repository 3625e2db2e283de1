import { assert, assertEquals } from "../../deps/std_assert.ts";
import { markdownFiles } from "../../tools/tasks/package_files.ts";
import { ROOT } from "../helpers/source_files.ts";

/**
 * What only a measurement knows: rates, durations below a millisecond, quantiles, ratios. Limits and
 * defaults, which the code has, are in milliseconds, seconds and MiB.
 */
const MEASURED_REGEXP =
  /\d ?(µs|ns)\b|\d ?\/s\b|\d (calls|tasks|messages|requests) (a|per) second|\b(p50|p9\d|medians?)\b|\d times (as|the)\b|\d % (less|more|faster|slower)|\b(half|third|quarter|fifth|tenth) of the time/gi;

/** Places that look like figures and are none, by page: limits, and names of what others measure. */
const NO_FIGURES: Readonly<Record<string, readonly string[]>> = {
  "docs/chaos.md": ["in the median at most"],
  "docs/performance.md": ["and prints medians, quartiles and ratios of the same run"],
  "docs/protocol.md": ["`p50`, `p95`, `p99`, `waitP95`"],
};

/** Where programs write figures: from bench/results.json, chaos/results.json and bench/simulation/results.json. */
const WRITTEN_REGEXP = /<!-- (bench|chaos|simulation):begin -->[^]*?<!-- \1:end -->/g;

Deno.test("README and docs have no figure that no program wrote", async () => {
  const found: string[] = [];
  for (const path of await markdownFiles()) {
    if (!/^(README\.md$|docs\/)/.test(path)) continue;
    const text = await Deno.readTextFile(new URL(path, ROOT));
    const lines = text.replaceAll(WRITTEN_REGEXP, "").split("\n");
    const listed = NO_FIGURES[path] ?? [];
    for (const line of lines.filter((line) => line.search(MEASURED_REGEXP) >= 0)) {
      if (!listed.some((known) => line.includes(known))) found.push(`${path}: ${line}`);
    }
  }
  assertEquals(found, []);
});

Deno.test("README can be read in one go", async () => {
  const { length } = (await Deno.readTextFile(new URL("README.md", ROOT))).split("\n");
  assert(length >= 150 && length <= 201, `It has ${length - 1} lines`);
});
