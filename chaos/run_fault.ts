/** Runs a row of the suite from beginning to end, whatever becomes of it. @module */

import type { Check } from "./checking/checker.ts";
import type { Fault, RowFigures } from "./fault.ts";
import { type Limit, standardLimits } from "./limits.ts";
import { quantile } from "../tools/measuring/quantile.ts";
import { Scene, type SceneOptions } from "./scene.ts";

/** A row of the report. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** Whether it is as it must be. */
  readonly passed: boolean;
  /** Of a row that proves that the checker sees: the limit that had to be broken, and was. */
  readonly mustBreak?: string;
  readonly seconds: number;
  /** How often the fault was injected. */
  readonly injected: number;
  readonly calls: number;
  readonly answered: number;
  readonly lost: number;
  readonly wrong: number;
  readonly unsettled: number;
  readonly settledTwice: number;
  readonly extraExecutions: number;
  readonly extraBound: number;
  readonly maxExecutions: number;
  readonly rejected: Readonly<Record<string, number>>;
  /** Calls with `idempotent: false` that rejected as `disconnected`, which they may. */
  readonly disconnectedOnce: number;
  /** Outages in milliseconds; absent where none is measured. */
  readonly outageP50?: number;
  readonly outageMax?: number;
  /** Every figure that is judged. */
  readonly limits: readonly Limit[];
  /** Figures that are told and not judged. */
  readonly notes: Readonly<Record<string, number>>;
  /** Numbers of some calls that were lost, wrong or unsettled. */
  readonly examples: Readonly<Record<string, readonly number[]>>;
  /** Why the row came to no end. */
  readonly error?: string;
}

/** How much longer than its budget a row may take, in milliseconds: nodes must start and stop. */
const OVERTIME_MS = 240_000;
const MAX_EXAMPLES = 20;

/**
 * Runs one fault. A row that throws or hangs has failed; only an interruption rejects.
 *
 * @param signal Interrupts the whole run.
 */
export async function runFault(
  fault: Fault,
  { signal, ...options }: SceneOptions,
): Promise<Row> {
  const start = performance.now();
  const controller = new AbortController();
  const limitMs = options.budgetMs + OVERTIME_MS;
  const timer = setTimeout(() => controller.abort(new RowTimeoutError(limitMs)), limitMs);
  try {
    const both = AbortSignal.any([signal, controller.signal]);
    await using scene = await Scene.open({ ...options, signal: both });
    const figures = await fault.run(scene);
    return toRow(fault, figures, performance.now() - start);
  } catch (error) {
    signal.throwIfAborted();
    const text = Error.isError(error) ? error.stack ?? error.message : `${error}`;
    return {
      ...toRow(fault, { injected: 0 }, performance.now() - start),
      passed: false,
      error: text,
    };
  } finally {
    clearTimeout(timer);
  }
}

class RowTimeoutError extends Error {
  override readonly name = "RowTimeoutError";

  constructor(limitMs: number) {
    super(`Cannot go on as the row takes longer than ${Math.round(limitMs)} ms`);
  }
}

function toRow({ id, title, mustBreak }: Fault, figures: RowFigures, ms: number): Row {
  const { injected, check = NO_CHECK, terms = { extraBound: 0 }, outagesMs = [] } = figures;
  const standard = figures.check === undefined ? [] : standardLimits(check, terms);
  const limits = [atLeastOne(injected), ...standard, ...figures.limits ?? []];
  const broken = limits.filter(({ holds }) => !holds).map(({ name }) => name);
  const passed = mustBreak === undefined ? broken.length === 0 : broken.includes(mustBreak);
  const { lost, wrong, unsettled, settledTwice, extraExecutions, maxExecutions } = check;
  return {
    id,
    title,
    passed,
    ...(mustBreak !== undefined && { mustBreak }),
    seconds: Math.round(ms / 100) / 10,
    injected,
    calls: check.calls,
    answered: check.answered,
    lost: lost.length,
    wrong: wrong.length,
    unsettled: unsettled.length,
    settledTwice: settledTwice.length,
    extraExecutions,
    extraBound: terms.extraBound,
    maxExecutions,
    rejected: check.rejected,
    disconnectedOnce: check.disconnectedOnce,
    ...(outagesMs.length > 0 && {
      outageP50: Math.round(quantile(outagesMs, 0.5)),
      outageMax: Math.round(quantile(outagesMs, 1)),
    }),
    limits,
    notes: figures.notes ?? {},
    examples: examplesOf(check),
  };
}

/** A row that has injected nothing proves nothing. */
function atLeastOne(injected: number): Limit {
  return { name: "injected", figure: injected, bound: "at least", limit: 1, holds: injected >= 1 };
}

function examplesOf(check: Check): Record<string, readonly number[]> {
  const { lost, wrong, unsettled, left, settledTwice } = check;
  const lists = Object.entries({ lost, wrong, unsettled, left, settledTwice });
  return Object.fromEntries(
    lists.filter(([, list]) => list.length > 0)
      .map(([name, list]) => [name, list.slice(0, MAX_EXAMPLES)]),
  );
}

const NO_CHECK: Check = {
  calls: 0,
  answered: 0,
  lost: [],
  wrong: [],
  unsettled: [],
  left: [],
  settledTwice: [],
  rejected: {},
  disconnectedOnce: 0,
  extraExecutions: 0,
  maxExecutions: 0,
  redelivered: 0,
  remaining: undefined,
};
