/** The report: a table for people and a file for programs. @module */

import type { Limit } from "./limits.ts";
import type { Row, Verdict } from "./run_fault.ts";

/** The file that a run writes. */
export interface Report {
  readonly seed: number;
  readonly minutes: number;
  readonly isShort: boolean;
  readonly startedAt: string;
  readonly seconds: number;
  readonly passed: boolean;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rows: readonly Row[];
}

interface Column {
  readonly head: string;
  readonly width: number;
  readonly cell: (row: Row) => string;
}

const COLUMNS: readonly Column[] = [
  { head: "row", width: -4, cell: ({ id }) => id },
  { head: "fault", width: -40, cell: ({ title }) => title },
  { head: "injected", width: 8, cell: ({ injected }) => count(injected) },
  { head: "calls", width: 9, cell: ({ calls }) => count(calls) },
  { head: "lost", width: 4, cell: ({ lost }) => count(lost) },
  { head: "wrong", width: 5, cell: ({ wrong }) => count(wrong) },
  { head: "unsettled", width: 9, cell: ({ unsettled }) => count(unsettled) },
  {
    head: "extra/bound",
    width: 11,
    cell: ({ extraExecutions, extraBound }) => `${count(extraExecutions)}/${count(extraBound)}`,
  },
  {
    head: "outage p50/max",
    width: 16,
    cell: ({ outageP50, outageMax }) =>
      outageP50 === undefined ? "-" : `${count(outageP50)}/${count(outageMax ?? NaN)} ms`,
  },
  { head: "verdict", width: -8, cell: verdictOf },
];

/** The heads of the columns. */
export function headLines(): string[] {
  return [line(({ head }) => head), line(({ width }) => "-".repeat(Math.abs(width)))];
}

/** The heads of the columns, for a page. */
export const ROW_HEADS: readonly string[] = COLUMNS.map(({ head }) => head);

/** A row as cells, for a page. */
export function rowCells(row: Row): string[] {
  return COLUMNS.map(({ cell }) => cell(row));
}

/** A row in one line, and further lines for what is worth more words. */
export function rowLines(row: Row): string[] {
  const { limits, notes, error, mustBreak, rejected, disconnectedOnce, unjudged, attempts } = row;
  const shown = limits.filter(({ holds, name }) =>
    mustBreak === undefined ? !holds : name === mustBreak
  );
  const figures = limits.filter(({ name, holds }) => holds && isMeasured(name));
  return [
    line(({ cell }) => cell(row)),
    ...shown.map((limit) => `       ${prefixOf(limit)}${describe(limit)}`),
    ...(unjudged === undefined ? [] : [`       it cannot be judged: ${unjudged}`]),
    ...(attempts === undefined ? [] : [`       tried ${attempts} times`]),
    ...figures.map((limit) => `       ${describe(limit)}`),
    ...Object.entries(notes).map(([name, value]) => `       ${name}: ${count(value)}`),
    ...Object.entries(rejected).map(([code, times]) => `       rejected as ${code}: ${times}`),
    ...(disconnectedOnce === 0 ? [] : [
      `       idempotent: false, rejected as disconnected: ${disconnectedOnce}`,
    ]),
    ...(error === undefined ? [] : error.split("\n").map((text) => `       ${text}`)),
  ];
}

function prefixOf({ holds, figure }: Limit): string {
  return holds || Number.isNaN(figure) ? "" : "NOT ";
}

/** Counts of the standard limits have columns of their own; times and memory have not. */
function isMeasured(name: string): boolean {
  return name.includes(",");
}

function describe({ name, figure, bound, limit }: Limit): string {
  if (Number.isNaN(figure)) return `${name}: not measured, must be ${bound} ${limit}`;
  return `${name}: ${Math.round(figure * 100) / 100}, must be ${bound} ${limit}`;
}

function verdictOf({ verdict, mustBreak }: Row): string {
  switch (verdict) {
    case "passed":
      return mustBreak === undefined ? "ok" : "caught";
    case "failed":
      return mustBreak === undefined ? "FAILED" : "MISSED";
    case "unjudged":
      return "UNJUDGED";
    case "not-run":
      return "NOT RUN";
  }
}

/** The end of a run in one line: rows that prove nothing are told apart from ones that failed. */
export function summaryOf(rows: readonly Row[]): string {
  const count = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict).length;
  return `${rows.length} rows, ${count("failed")} failed, ${count("unjudged")} unjudged, ` +
    `${count("not-run")} not run`;
}

function count(value: number): string {
  // A file cannot hold what is infinite or unknown.
  if (!Number.isFinite(value)) return "-";
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

function line(cell: (column: Column) => string): string {
  return COLUMNS.map((column) => {
    const { width } = column;
    return width < 0 ? cell(column).padEnd(-width) : cell(column).padStart(width);
  }).join("  ").trimEnd();
}
