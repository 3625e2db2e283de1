/** What is compared, between whom, and what must hold. @module */

import type { Contender } from "./contenders.ts";
import type { Figures, Order } from "./duel.ts";

/** What a scenario's ratio must be. */
export interface Comparison {
  readonly of: string;
  readonly to: string;
  /** The goal: `<= 1.06`, for example; absent where the ratio is only published. */
  readonly goal?: string;
}

/** One thing that all its contenders do. */
export interface Scenario {
  readonly id: string;
  readonly title: string;
  /** Which figure of a client's answer counts. */
  readonly figure: "perSecond" | "p50" | "p99" | "bytes";
  readonly unit: "calls/s" | "ms" | "bytes";
  /** Other figures that are kept, too. */
  readonly also: readonly string[];
  readonly contenders: readonly string[];
  readonly comparisons: readonly Comparison[];
  /** Whether each round starts its processes anew. */
  readonly isFresh?: boolean;
  /** At most so many rounds, where each takes long. */
  readonly maxRounds?: number;
  /** What the client is told; a share of the calls is for those that take long. */
  readonly order: (share: number) => Order;
}

const bare = "amqplib-bare-deno";
const confirmed = "amqplib-confirmed-deno";
const threaded = "amqplib-thread-deno";
const batchedByHand = "amqplib-batched-deno";
const libraries = [
  "rabbitmq-client-node",
  "cloudamqp-node",
  "elasticio-node",
  "nestjs-node",
  "moleculer-node",
  "celery",
];
/** Some 20 ms of a core: fibonacci(33), without a table. */
const BUSY = 33;

const echo = (count: number, inFlight: number) => (share: number): Order => ({
  kind: "calls",
  procedure: "echo",
  count: Math.ceil(count * share),
  inFlight,
});

const mixed = (long: number): Scenario => ({
  id: `mixed-${long}`,
  title: `A short call, while ${long.toLocaleString("en")} calls of 20 ms wait`,
  figure: "p99",
  unit: "ms",
  also: ["p50", "max", "answered"],
  contenders: ["warren-lanes", "warren-mixed", "amqplib-bare-node", "rabbitmq-client-node"],
  comparisons: [],
  isFresh: true,
  maxRounds: 5,
  order: (share) => ({ kind: "mixed", long, input: BUSY, ms: 3_000 * share }),
});

/** All scenarios, in the order in which they are run and shown. */
export const SCENARIOS: readonly Scenario[] = [
  {
    id: "one-by-one",
    title: "One call after the other",
    figure: "p50",
    unit: "ms",
    also: ["p90", "p99"],
    contenders: [
      "warren-inline",
      "warren-inline-again",
      "warren-pool",
      bare,
      "amqplib-bare-node",
      confirmed,
      threaded,
      "amqplib-tutorial-node",
      "pika",
      ...libraries,
    ],
    comparisons: [
      { of: "warren-inline-again", to: "warren-inline" },
      { of: "warren-inline", to: confirmed, goal: "<= 1.06" },
      { of: "warren-inline", to: bare },
      { of: confirmed, to: bare },
      { of: "warren-pool", to: threaded, goal: "<= 1.18" },
      { of: "warren-pool", to: bare },
    ],
    order: echo(100, 1),
  },
  {
    id: "hundred",
    title: "100 calls in flight",
    figure: "perSecond",
    unit: "calls/s",
    also: ["p50", "p99"],
    contenders: [
      "warren-inline",
      "warren-inline-again",
      "warren-pool",
      bare,
      "amqplib-bare-node",
      confirmed,
      ...libraries,
    ],
    comparisons: [
      { of: "warren-inline-again", to: "warren-inline" },
      { of: "warren-inline", to: confirmed, goal: ">= 1.00" },
      { of: "warren-inline", to: bare, goal: ">= 0.92" },
      { of: "warren-pool", to: confirmed, goal: ">= 0.92" },
      { of: "warren-pool", to: bare, goal: ">= 0.82" },
      ...libraries.map((to) => ({ of: "warren-inline", to, goal: ">= 1.00" })),
    ],
    order: echo(2_000, 100),
  },
  {
    id: "batched",
    title: "1,000 calls in flight, batched",
    figure: "perSecond",
    unit: "calls/s",
    also: ["p50", "p99"],
    contenders: ["warren-batched", bare, confirmed, batchedByHand],
    comparisons: [
      { of: "warren-batched", to: bare, goal: ">= 5.00" },
      { of: "warren-batched", to: batchedByHand, goal: ">= 0.45" },
    ],
    order: echo(20_000, 1_000),
  },
  {
    id: "computing",
    title: "Calls that compute for 20 ms, 2 workers",
    figure: "perSecond",
    unit: "calls/s",
    also: ["p50", "p99"],
    contenders: ["warren-pool", "warren-pool-again", "warren-alone"],
    comparisons: [
      { of: "warren-pool-again", to: "warren-pool" },
      { of: "warren-pool", to: "warren-alone", goal: ">= 0.95" },
    ],
    order: (share) => ({
      kind: "calls",
      procedure: "busy",
      input: BUSY,
      count: Math.ceil(50 * share),
      inFlight: 8,
    }),
  },
  mixed(100),
  mixed(10_000),
  {
    id: "pending",
    title: "Memory of a call that waits, its input of 40 bytes included",
    figure: "bytes",
    unit: "bytes",
    also: [],
    contenders: ["warren-inline", "amqplib-bare-node", confirmed, "rabbitmq-client-node"],
    comparisons: [],
    isFresh: true,
    maxRounds: 5,
    order: (share) => ({ kind: "pending", count: Math.ceil(10_000 * share) }),
  },
];

/** Limits of single figures, by scenario and contender: of a pending call, 1.2 KiB beside its input. */
export const LIMITS: readonly {
  readonly scenario: string;
  readonly of: string;
  readonly goal: string;
}[] = [
  { scenario: "mixed-100", of: "warren-lanes", goal: "<= 25" },
  { scenario: "mixed-10000", of: "warren-lanes", goal: "<= 25" },
  { scenario: "pending", of: "warren-inline", goal: "<= 1284" },
];

/** How much of a scenario's calls a contender makes in each round. */
export function shareOf(contender: Contender, scenario: Scenario): number {
  // Only one at a time are they so slow.
  return scenario.figure === "p99" ? 1 : contender.share ?? 1;
}

/** Takes what counts out of a client's answer. */
export function figureOf(scenario: Scenario, figures: Figures): number {
  return figures[scenario.figure] ?? NaN;
}
