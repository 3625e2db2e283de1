/** Runs a scenario: its contenders in turn, round after round. @module */

import { median, quantile } from "../../tools/measuring/quantile.ts";
import { ratioOf } from "../cpu/ratio.ts";
import { type Contender, CONTENDERS } from "./contenders.ts";
import { Duel, type Figures } from "./duel.ts";
import { type ContenderResult, meets, type RatioResult, type ScenarioResult } from "./results.ts";
import { figureOf, LIMITS, type Scenario, shareOf } from "./scenarios.ts";

/** How a comparison is run. */
export interface ComparisonOptions {
  readonly url: string;
  readonly durability: string;
  readonly rounds: number;
  /** The share of the calls of each round that is made: 1 for all. */
  readonly share: number;
  readonly say: (line: string) => void;
}

/** What a scenario finds, without what is said of its run. */
export type Found = Omit<ScenarioResult, "run">;

/** Who takes part, with the figures of its rounds. */
interface Entry {
  readonly contender: Contender;
  readonly figures: Figures[];
  duel: Duel | undefined;
}

/** Runs scenarios with the same broker, and keeps who could not take part. */
export class ComparisonRun {
  readonly #options: ComparisonOptions;
  /** Why contenders take no part, by id. */
  readonly leftOut: Map<string, string> = new Map();

  constructor(options: ComparisonOptions) {
    this.#options = options;
  }

  /** Runs one scenario. */
  async run(scenario: Scenario): Promise<Found> {
    const { say, share } = this.#options;
    const rounds = Math.min(this.#options.rounds, scenario.maxRounds ?? Infinity);
    await using stack = new AsyncDisposableStack();
    const entries = await this.#enter(scenario, stack);
    for (let round = 0; round < rounds; round++) {
      for (const entry of rotated(entries, round)) {
        const order = scenario.order(shareOf(entry.contender, scenario) * share);
        if (entry.duel !== undefined) {
          entry.figures.push(await entry.duel.order(order));
          continue;
        }
        await using duel = await Duel.start(entry.contender, this.#options);
        entry.figures.push(await duel.order(order));
      }
      say(`${scenario.id}: round ${round + 1} of ${rounds}`);
    }
    return resultOf(scenario, rounds, entries);
  }

  /** Starts all who can be started and warms them up, or tries each of them once. */
  async #enter(scenario: Scenario, stack: AsyncDisposableStack): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (const id of scenario.contenders) {
      const contender = CONTENDERS.get(id);
      if (contender === undefined) throw new Error(`Cannot measure as there is no "${id}"`);
      if (this.leftOut.has(id)) continue;
      const share = shareOf(contender, scenario) * this.#options.share;
      try {
        const duel = await Duel.start(contender, this.#options);
        stack.use(duel);
        if (!scenario.isFresh) {
          // Three rounds of warming up: then compilers have done their work.
          for (let round = 0; round < 3; round++) await duel.order(scenario.order(share));
        }
        entries.push({ contender, figures: [], duel: scenario.isFresh ? undefined : duel });
        if (scenario.isFresh) await duel[Symbol.asyncDispose]();
      } catch (error) {
        const reason = error instanceof Error ? error.message.split(":")[0] ?? "" : String(error);
        if (id.startsWith("warren")) throw error;
        this.leftOut.set(id, reason);
        this.#options.say(`Without ${id}: ${reason}`);
      }
    }
    return entries;
  }
}

/** Whoever is first in one round is last in the next. */
function rotated<Item>(items: readonly Item[], round: number): Item[] {
  const first = round % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

function resultOf(scenario: Scenario, rounds: number, entries: readonly Entry[]): Found {
  const values = new Map(entries.map(({ contender, figures }) => {
    return [contender.id, figures.map((figure) => figureOf(scenario, figure))];
  }));
  const ratios = scenario.comparisons.flatMap((comparison): RatioResult[] => {
    const [of, to] = [values.get(comparison.of), values.get(comparison.to)];
    if (of === undefined || to === undefined) return [];
    const { ratio, low, high } = ratioOf(of, to);
    const { goal } = comparison;
    const bounds = { ratio: rounded(ratio), low: rounded(low), high: rounded(high) };
    return [{ ...comparison, ...bounds, ...goal && { holds: meets(ratio, goal) } }];
  });
  const { id, title, unit } = scenario;
  const contenders = entries.map((entry) => contenderResult(scenario, entry));
  return { id, title, unit, rounds, contenders, ratios };
}

function contenderResult(scenario: Scenario, { contender, figures }: Entry): ContenderResult {
  const { id, label, guarantees, runtime } = contender;
  const values = figures.map((figure) => figureOf(scenario, figure));
  const limit = LIMITS.find(({ scenario: of, of: whom }) => of === scenario.id && whom === id);
  return {
    id,
    label,
    guarantees,
    runtime,
    quartiles: [0.25, 0.5, 0.75].map((share) => rounded(quantile(values, share))),
    values: values.map(rounded),
    also: Object.fromEntries(scenario.also.map((name) => {
      return [name, rounded(median(figures.map((figure) => figure[name] ?? NaN)))];
    })),
    ...limit && { goal: limit.goal, holds: meets(median(values), limit.goal) },
  };
}

/** Four digits are more than such figures are worth. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
