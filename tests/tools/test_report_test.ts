import {
  countLine,
  EMPTY_REPORT,
  readTestReport,
  reportLines,
  reportOn,
  sumReports,
} from "../../tools/tasks/test_report.ts";
import { assertEquals } from "../../deps/std_assert.ts";

const MIXED = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="5" failures="1" errors="1" time="0.007">
    <testsuite name="./a_test.ts" tests="5" disabled="1" errors="1" failures="1">
        <testcase name="a &lt;b&gt; &quot;c&quot; &amp;lt;" classname="./a_test.ts" time="0.000" line="1" col="6">
        </testcase>
        <testcase name="left out" classname="./a_test.ts" time="0.000" line="2" col="11">
            <skipped/>
        </testcase>
        <testcase name="a > step" classname="./a_test.ts" time="0.000" line="3" col="6">
            <failure message="Uncaught Error: no">Error: no &lt;skipped/&gt;
    at file:///a_test.ts:3:34</failure>
        </testcase>
        <testcase name="cut off" classname="./a_test.ts" time="0.000" line="4" col="6">
            <error message="Cancelled"/>
        </testcase>
        <testcase name="last" classname="./a_test.ts" time="0.000" line="4" col="6">
        </testcase>
    </testsuite>
</testsuites>`.replaceAll("a > step", "a &gt; step");

const NONE = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="0" failures="0" errors="0" time="0.000">
</testsuites>`;

Deno.test("readTestReport() counts each kind of test by name", () => {
  assertEquals(readTestReport(MIXED, 1), {
    passed: 2,
    failed: ["a > step (./a_test.ts)\n    Error: no <skipped/>", "cut off (./a_test.ts)"],
    skipped: ["left out (./a_test.ts)"],
  });
});

Deno.test("readTestReport() decodes each entity once", () => {
  const xml = MIXED.replace("<skipped/>\n", "<failure/>\n").replace("left out", "&amp;lt; &lt;");
  assertEquals(readTestReport(xml, 1).failed[0], "&lt; < (./a_test.ts)");
});

Deno.test("readTestReport() counts a run that fails without a failed test", () => {
  for (const xml of [NONE, "", undefined]) {
    assertEquals(readTestReport(xml, 1), {
      passed: 0,
      failed: ["a test run ended with code 1 without a failed test"],
      skipped: [],
    });
  }
});

Deno.test("readTestReport() finds nothing in a run of no tests", () => {
  assertEquals(readTestReport(NONE, 0), EMPTY_REPORT);
});

Deno.test("countLine() names skipped tests only if there are any", () => {
  assertEquals(countLine({ passed: 3, failed: ["x"], skipped: [] }), "3 passed, 1 failed");
  assertEquals(
    countLine({ passed: 3, failed: [], skipped: ["y"] }),
    "3 passed, 0 failed, 1 skipped",
  );
});

Deno.test("reportLines() names what was skipped and what has failed", () => {
  const lines = reportLines({ passed: 1, failed: ["x"], skipped: ["y", "z"] });
  assertEquals(lines, ["skipped: y", "skipped: z", "FAILED: x"]);
});

Deno.test("reportOn() tells the place of each test that it names", () => {
  const failed = ["x", "z\n    Error: no"];
  const report = reportOn({ passed: 1, failed, skipped: ["y"] }, "RabbitMQ 4.3.6");
  assertEquals(report, {
    passed: 1,
    failed: ["x on RabbitMQ 4.3.6", "z on RabbitMQ 4.3.6\n    Error: no"],
    skipped: ["y on RabbitMQ 4.3.6"],
  });
});

Deno.test("sumReports() adds up counts and names", () => {
  const one = { passed: 1, failed: ["a"], skipped: [] };
  const two = { passed: 2, failed: ["b"], skipped: ["c"] };
  assertEquals(sumReports([one, two]), { passed: 3, failed: ["a", "b"], skipped: ["c"] });
});

Deno.test("readTestReport() agrees with what deno test writes", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${folder}/x_test.ts`,
      `Deno.test("good", () => {});
       Deno.test("bad", () => { throw new Error("<skipped/>"); });
       Deno.test.ignore("later", () => {});`,
    );
    const junit = `${folder}/junit.xml`;
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-config", `--junit-path=${junit}`, "x_test.ts"],
      cwd: folder,
    }).output();
    const { failed, ...others } = readTestReport(await Deno.readTextFile(junit), code);
    assertEquals(others, { passed: 1, skipped: ["later (./x_test.ts)"] });
    // After the message, Deno shows the line of source.
    assertEquals(failed.map((text) => text.split("\n").slice(0, 2)), [
      ["bad (./x_test.ts)", "    Error: <skipped/>"],
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
