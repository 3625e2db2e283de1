/** The form of bench/results.json, from which tables and charts come. @module */

import type { Ratio } from "../cpu/ratio.ts";

/** All that was found on one machine. */
export interface Results {
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGb: number;
    readonly os: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** How the request queues were declared. */
  readonly durability: string;
  /** Who could not take part, and why. */
  readonly leftOut: Readonly<Record<string, string>>;
  readonly scenarios: readonly ScenarioResult[];
}

/** One run of the comparison, of all scenarios or of some. */
export interface Run {
  readonly at: string;
  readonly command: string;
  readonly commit: string;
  /** The load average over 1 minute when the scenario began and when it ended. */
  readonly load: readonly number[];
}

/** What one scenario has found, in one run. */
export interface ScenarioResult {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly rounds: number;
  readonly run: Run;
  readonly contenders: readonly ContenderResult[];
  readonly ratios: readonly RatioResult[];
}

/** The figures of one contender. */
export interface ContenderResult {
  readonly id: string;
  readonly label: string;
  readonly guarantees: string;
  readonly runtime: string;
  /** Lower quartile, median and upper quartile of the rounds. */
  readonly quartiles: readonly number[];
  /** The figure of each round. */
  readonly values: readonly number[];
  /** The medians of other figures, such as `p99`. */
  readonly also: Readonly<Record<string, number>>;
  /** What the median must be, if anything. */
  readonly goal?: string;
  readonly holds?: boolean;
}

/** How two contenders compare within the same rounds, with the 95 % interval of the median. */
export interface RatioResult extends Ratio {
  readonly of: string;
  readonly to: string;
  readonly goal?: string;
  readonly holds?: boolean;
}

/** The file that the tables and charts come from. */
export const RESULTS_FILE: URL = new URL("../results.json", import.meta.url);

/** Tells whether a figure is as a goal such as `<= 1.06` says. */
export function meets(figure: number, goal: string): boolean {
  const [sign, bound] = goal.split(" ");
  return sign === "<=" ? figure <= Number(bound) : figure >= Number(bound);
}
