import { assert, assertEquals } from "../../deps/std_assert.ts";
import { modulePaths, textOf } from "../helpers/source_files.ts";

/** The one place that ignores tests, with the reason in their names. */
const ALLOWED = "tests/helpers/features.ts";

const IGNORED_REGEXP = /^\s*ignore\s*(?::.*|,)?$|\bDeno\.test\.ignore\(|\bit\.skip\(/m;

/** This one has the words in it, and one has a test that is ignored as its subject. */
const EXCEPT = ["tests/architecture/skipped_tests_test.ts", "tests/tools/test_report_test.ts"];

Deno.test("A test that is skipped says why in its name", () => {
  const paths = modulePaths.filter((path) => /^tests\//.test(path) && !EXCEPT.includes(path));
  const found = paths.filter((path) => IGNORED_REGEXP.test(textOf(path)));
  assertEquals(found.filter((path) => path !== ALLOWED), []);
  for (const code of ["  ignore: true,", "  ignore,", 'Deno.test.ignore("later")']) {
    assert(IGNORED_REGEXP.test(code), code);
  }
});
