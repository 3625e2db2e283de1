import { say } from "./say.ts";
import type { TaskContext } from "./task.ts";
import { countLine, reportLines, sumReports, type TestReport } from "./test_report.ts";

/** Options of {@linkcode runSteps}. */
export interface RunStepsOptions {
  /**
   * Is told what begins and what has gone wrong.
   *
   * @default {a line on stderr}
   */
  readonly tell?: (line: string) => void;
}

/** What has become of all steps. */
export interface StepsResult {
  /** 0 if nothing has failed and at least one test has run. */
  readonly code: number;
  /**
   * A line per step, the names of what was skipped or has failed, and last the counts: of all
   * tests, plus one failure for each other step that has failed.
   */
  readonly summary: readonly string[];
}

/** One step of {@linkcode runSteps}: an exit code, or a report if the step runs tests. */
export interface Step {
  readonly name: string;
  readonly run: (context: TaskContext) => Promise<number | TestReport>;
}

interface Outcome {
  readonly name: string;
  readonly seconds: number;
  readonly report: TestReport;
}

/** Runs every step, whatever becomes of the ones before, and sums them up. */
export async function runSteps(
  steps: readonly Step[],
  context: TaskContext,
  options: RunStepsOptions = {},
): Promise<StepsResult> {
  const { tell = say } = options;
  const { signal } = context.interruption;
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    signal.throwIfAborted();
    tell(`\n── ${step.name}`);
    outcomes.push(await runStep(step, context, tell));
  }
  signal.throwIfAborted();
  const report = sumReports(outcomes.map((outcome) => outcome.report));
  return {
    code: report.failed.length === 0 && report.passed > 0 ? 0 : 1,
    summary: [...outcomes.map(outcomeLine), ...reportLines(report), countLine(report)],
  };
}

async function runStep(
  { name, run }: Step,
  context: TaskContext,
  tell: (line: string) => void,
): Promise<Outcome> {
  const start = performance.now();
  const report = await run(context)
    .then((result) => typeof result === "number" ? stepReport(name, result) : result)
    .catch((error: unknown) => {
      tell(error instanceof Error ? error.message : String(error));
      return stepReport(name, 1);
    });
  return { name, seconds: (performance.now() - start) / 1_000, report };
}

function stepReport(name: string, code: number): TestReport {
  return { passed: 0, failed: code === 0 ? [] : [`the step "${name}"`], skipped: [] };
}

function outcomeLine({ name, seconds, report }: Outcome): string {
  const verdict = report.failed.length === 0 ? "ok    " : "FAILED";
  return `${verdict}  ${name.padEnd(44)}${seconds.toFixed(1).padStart(7)} s`;
}
