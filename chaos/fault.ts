/** What a row of the suite is. @module */

import type { Check } from "./checking/checker.ts";
import type { Limit, Terms } from "./limits.ts";
import type { Scene } from "./scene.ts";

/** One kind of fault, injected under load again and again: a row of the report. */
export interface Fault {
  /** Its row of the scorecard, such as `R1`; several faults may share one. */
  readonly id: string;
  /** What is done, in a few words. */
  readonly title: string;
  /** Its time in a run of ten minutes, beside the other rows; in other runs its share. */
  readonly seconds: number;
  /** Whether it takes too long for a short run, which leaves it out unless it is asked for. */
  readonly isLong?: boolean;
  /** The first release of RabbitMQ that is to outlive it; all by default. */
  readonly since?: string;
  /** Whether a broker of another release may behave otherwise: it takes one node, of each release. */
  readonly isOfRelease?: boolean;
  /** The limit that must be broken, in a row that proves that the checker sees. */
  readonly mustBreak?: string;
  /** Injects the fault, and tells what came of it. */
  run(scene: Scene): Promise<RowFigures>;
}

/** What came of a fault. */
export interface RowFigures {
  /** How often the fault was injected. */
  readonly injected: number;
  /** What the checker says; absent where there is no load of calls. */
  readonly check?: Check;
  /** What the check is held to. */
  readonly terms?: Terms;
  /** How long nothing got through after each injection, in milliseconds. */
  readonly outagesMs?: readonly number[];
  /** Further figures of the scorecard. */
  readonly limits?: readonly Limit[];
  /** Why figures could not be measured, if so: they are `NaN` then. */
  readonly unjudged?: string;
  /** Figures that are told and not judged. */
  readonly notes?: Readonly<Record<string, number>>;
}
