/** Runs a row of the suite from beginning to end, whatever becomes of it. @module */

import type { Check } from "./checking/checker.ts";
import type { Fault, RowFigures } from "./fault.ts";
import { type Limit, standardLimits } from "./limits.ts";
import { quantile } from "../tools/measuring/quantile.ts";
import { Scene, type SceneOptions } from "./scene.ts";

/**
 * What is said of a row. Only what has `passed` is as it must be: a row is `unjudged` if a figure
 * could not be measured and no other is wrong, and a proof that came to no end was `not-run`, which
 * says nothing about the checker.
 */
export type Verdict = "passed" | "failed" | "unjudged" | "not-run";

/** A row of the report. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly verdict: Verdict;
  /** How often it was tried, if more than once. */
  readonly attempts?: number;
  /** Why figures are missing, if the row knows. */
  readonly unjudged?: string;
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

/** How often a proof is tried that came to no end. */
const PROOF_ATTEMPTS = 3;

/**
 * Runs one fault. A row that throws or hangs has failed; a proof that throws is tried again, as its
 * servers are not ours and may not get up. Only an interruption rejects.
 *
 * @param signal Interrupts the whole run.
 */
export async function runFault(fault: Fault, options: SceneOptions): Promise<Row> {
  for (let attempt = 1;; attempt++) {
    const row = await runOnce(fault, options);
    const { verdict } = row;
    if (verdict === "not-run" && attempt < PROOF_ATTEMPTS) continue;
    return attempt === 1 ? row : { ...row, attempts: attempt };
  }
}

async function runOnce(fault: Fault, { signal, ...options }: SceneOptions): Promise<Row> {
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
    const isProof = fault.mustBreak !== undefined && !controller.signal.aborted;
    return {
      ...toRow(fault, { injected: 0 }, performance.now() - start),
      verdict: isProof ? "not-run" : "failed",
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
  const { lost, wrong, unsettled, settledTwice, extraExecutions, maxExecutions } = check;
  return {
    id,
    title,
    verdict: judge(limits, mustBreak),
    ...(figures.unjudged !== undefined && { unjudged: figures.unjudged }),
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

/** A figure that could not be measured holds no limit, and breaks none. */
function judge(limits: readonly Limit[], mustBreak: string | undefined): Verdict {
  const judged = limits.filter(({ name }) => mustBreak === undefined || name === mustBreak);
  const broken = judged.filter(({ holds }) => !holds);
  const isBroken = broken.some(({ figure }) => !Number.isNaN(figure));
  if (!isBroken && broken.length > 0) return "unjudged";
  return isBroken === (mustBreak !== undefined) ? "passed" : "failed";
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
