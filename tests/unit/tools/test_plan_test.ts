import { assertEquals } from "../../../deps/std_assert.ts";
import {
  EACH_ALONE,
  EACH_BESIDE,
  EMBEDDED,
  ENDS_BESIDE,
  ONCE,
  ONCE_BESIDE,
  ONCE_NEWEST,
  ONCE_NEWEST_BESIDE,
  type PlannedRun,
} from "../../../tools/tasks/test_plan.ts";
import { modulePaths } from "../../helpers/source_files.ts";

const TEST_PATHS = modulePaths.filter((path) => /^tests\/.*_test\.ts$/.test(path));
const IGNORE = "--ignore=";

/** Tells whether a path is one of these files, or is in one of these folders. */
function isAmong(path: string, names: readonly string[]): boolean {
  return names.some((name) => {
    const pattern = name.replaceAll(".", "\\.").replaceAll("*", "[^/]*");
    return new RegExp(`^${pattern}(/|$)`).test(path);
  });
}

/** What a flag says is ignored, without the beginning that makes Deno look into all folders. */
function ignoredBy(flag: string): string[] {
  return flag.slice(IGNORE.length).split(",").map((glob) => glob.replace(/^\*\*\//, ""));
}

function pathsOf({ args }: PlannedRun): string[] {
  const ignored = args.filter((arg) => arg.startsWith(IGNORE)).flatMap(ignoredBy);
  const named = args.filter((arg) => !arg.startsWith("--"));
  return TEST_PATHS.filter((path) => isAmong(path, named) && !isAmong(path, ignored));
}

const ALL_ONCE = [...ONCE, ...ONCE_BESIDE, ...ONCE_NEWEST, ...ONCE_NEWEST_BESIDE];

Deno.test("The plan of CI has each test once on each release, or once in all", () => {
  const runs = [...ALL_ONCE, ...EACH_ALONE, ...EACH_BESIDE, ...ENDS_BESIDE];
  assertEquals(runs.flatMap(pathsOf).toSorted(), TEST_PATHS.toSorted());
});

Deno.test("The plan of CI names no file or folder that is not there", () => {
  const runs = [...ALL_ONCE, EMBEDDED, ...EACH_ALONE, ...EACH_BESIDE, ...ENDS_BESIDE];
  const names = runs.flatMap(({ args }) => args)
    .flatMap((arg) => arg.startsWith(IGNORE) ? ignoredBy(arg) : [arg])
    .filter((arg) => !arg.startsWith("--"));
  assertEquals(names.filter((name) => !TEST_PATHS.some((path) => isAmong(path, [name]))), []);
});
