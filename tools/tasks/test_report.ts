/** The outcome of test runs. */
export interface TestReport {
  /** How many tests and steps have passed. */
  readonly passed: number;
  /** What has failed, by name; further lines say why. */
  readonly failed: readonly string[];
  /** What was left out, by name. */
  readonly skipped: readonly string[];
}

/** The report of no test at all. */
export const EMPTY_REPORT: TestReport = { passed: 0, failed: [], skipped: [] };

/** A `<testcase>` with what is in it; Deno closes each of them with a tag of its own. */
const TEST_CASE_REGEXP = /<testcase ([^>]*)>([\s\S]*?)<\/testcase>/g;
const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&#39;": "'",
  "&amp;": "&",
};

/**
 * Reads the JUnit file of a `deno test` run.
 *
 * A run can fail without a failed test, say when a module throws while it loads: that counts as one
 * failure, so that a broken run never reads "0 failed".
 *
 * @param xml What is in the file; `undefined` if the run has written none.
 * @param exitCode Exit code of the run.
 */
export function readTestReport(xml: string | undefined, exitCode: number): TestReport {
  let passed = 0;
  const failed: string[] = [];
  const skipped: string[] = [];
  for (const [, attributes = "", content = ""] of (xml ?? "").matchAll(TEST_CASE_REGEXP)) {
    const name = `${attribute(attributes, "name")} (${attribute(attributes, "classname")})`;
    if (/<(?:failure|error)[ />]/.test(content)) {
      failed.push([name, ...reasonOf(content)].join("\n"));
    } else if (/<skipped[ />]/.test(content)) skipped.push(name);
    else passed++;
  }
  if (exitCode !== 0 && failed.length === 0) {
    failed.push(`a test run ended with code ${exitCode} without a failed test`);
  }
  return { passed, failed, skipped };
}

const MAX_REASON_LINES = 25;

/** The same report with names that tell where the tests ran. */
export function reportOn({ passed, failed, skipped }: TestReport, place: string): TestReport {
  const named = (text: string) => text.replace(/$/m, () => ` on ${place}`);
  return { passed, failed: failed.map(named), skipped: skipped.map(named) };
}

/** Adds up the reports of several runs. */
export function sumReports(reports: readonly TestReport[]): TestReport {
  return {
    passed: reports.reduce((sum, { passed }) => sum + passed, 0),
    failed: reports.flatMap(({ failed }) => failed),
    skipped: reports.flatMap(({ skipped }) => skipped),
  };
}

/** Names what was skipped and what has failed, one a line. */
export function reportLines({ failed, skipped }: TestReport): string[] {
  return [
    ...skipped.map((name) => `skipped: ${name}`),
    ...failed.map((name) => `FAILED: ${name}`),
  ];
}

/** The counts in one line, such as `12 passed, 0 failed, 1 skipped`. */
export function countLine({ passed, failed, skipped }: TestReport): string {
  const line = `${passed} passed, ${failed.length} failed`;
  return skipped.length === 0 ? line : `${line}, ${skipped.length} skipped`;
}

/** What the error says, without its stack: the end of a log is what one reads of a long run. */
function reasonOf(content: string): string[] {
  const [, text = ""] = /<(?:failure|error)[^>]*>([\s\S]*?)<\/(?:failure|error)>/.exec(content) ??
    [];
  const lines = decode(text).split("\n").map((line) => line.trimEnd())
    .filter((line) => line !== "" && !/^ +at /.test(line));
  return lines.slice(0, MAX_REASON_LINES).map((line) => `    ${line}`);
}

function attribute(attributes: string, name: string): string {
  const [, value = ""] = attributes.match(new RegExp(`(?:^| )${name}="([^"]*)"`)) ?? [];
  return decode(value);
}

function decode(text: string): string {
  return text.replace(/&(?:lt|gt|quot|apos|#39|amp);/g, (entity) => ENTITIES[entity] ?? entity);
}
