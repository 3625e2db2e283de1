import { testUnless } from "../helpers/features.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";
import { type Operation, OperationSource } from "./differential/operations.ts";
import { Random } from "../../tools/raw/random.ts";
import { NO_RABBITMQ, RABBITMQ, type RabbitmqUnderTest } from "./helpers/both_brokers.ts";
import { type Outcome, Side } from "./differential/side.ts";

const SEED = Number(Deno.env.get("DIFFERENTIAL_SEED") ?? 1);
const OPERATIONS = Number(Deno.env.get("DIFFERENTIAL_OPERATIONS") ?? 2000);
const OPERATIONS_PER_RUN = 50;
const PATIENCE_MS = 3000;
/** Longest time of one run: a broker that never answers must not stop the others. */
const RUN_LIMIT_MS = 60_000;

Deno.test(
  testUnless(
    NO_RABBITMQ,
    `TestBroker differs in nothing from RabbitMQ in ${OPERATIONS} random operations`,
    async () => {
      if (RABBITMQ === undefined) return;
      const { compat } = RABBITMQ;
      await using broker = await TestBroker.start({ compat });
      const differences: string[] = [];
      for (let run = 0; run * OPERATIONS_PER_RUN < OPERATIONS; run++) {
        const seed = SEED * 1_000_000 + run;
        let difference = await compare(broker.url, RABBITMQ, seed);
        // RabbitMQ's queues race each other: a difference counts only if it is there each time.
        for (let again = 0; difference !== undefined && again < 2; again++) {
          difference = await compare(broker.url, RABBITMQ, seed);
        }
        if (difference !== undefined) differences.push(difference);
      }
      assertEquals(differences, []);
    },
  ),
);

async function compare(
  url: string,
  theirs: RabbitmqUnderTest,
  seed: number,
): Promise<string | undefined> {
  using embedded = new Side(url);
  using rabbitmq = new Side(theirs.url);
  const source = new OperationSource(new Random(seed), {
    prefix: `diff.${crypto.randomUUID().slice(0, 8)}.`,
    compat: theirs.compat,
    state: embedded,
  });
  const history: string[] = [];
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => {
    embedded[Symbol.dispose]();
    rabbitmq[Symbol.dispose]();
    resolve([`seed ${seed}, takes too long`, ...history].join("\n"));
  }, RUN_LIMIT_MS);
  try {
    return await Promise.race([run({ seed, source, history, embedded, rabbitmq }), late]);
  } finally {
    clearTimeout(timer);
  }
}

interface Run {
  readonly seed: number;
  readonly source: OperationSource;
  /** The operations so far, which grow while it runs. */
  readonly history: string[];
  readonly embedded: Side;
  readonly rabbitmq: Side;
}

/** Runs the same operations on both sides until they differ. */
async function run(
  { seed, source, history, embedded, rabbitmq }: Run,
): Promise<string | undefined> {
  try {
    const preamble = source.preamble();
    for (let count = 0; count < OPERATIONS_PER_RUN; count++) {
      const operation = preamble.shift() ?? source.next();
      history.push(show(operation));
      const expected = sorted(await embedded.run(operation));
      const actual = await settle(rabbitmq, operation, expected);
      if (actual !== expected) return report(seed, history, expected, actual);
    }
  } finally {
    history.push("drain");
    const [ourRest, theirRest] = await rest(embedded, rabbitmq, source.queues);
    await rabbitmq.clear(source.exchanges);
    if (ourRest !== theirRest && history.length > OPERATIONS_PER_RUN) {
      // deno-lint-ignore no-unsafe-finally -- the rest is what the run was for
      return report(seed, history, ourRest, theirRest);
    }
  }
  return undefined;
}

/** Returns what is left in the queues of both brokers. */
async function rest(ours: Side, theirs: Side, queues: string[]): Promise<[string, string]> {
  await Promise.all([ours.close(), theirs.close()]);
  const expected = await ours.count(queues);
  for (let waited = 0; waited < PATIENCE_MS; waited = waited * 2 + 2) {
    if (await theirs.count(queues) === expected) break;
    await theirs.wait(waited);
  }
  return [(await ours.drain(queues)).join("\n"), (await theirs.drain(queues)).join("\n")];
}

/** RabbitMQ's queues are processes of their own: what comes of an operation may come late. */
async function settle(side: Side, operation: Operation, expected: string): Promise<string> {
  let actual = sorted(await side.run(operation));
  const isDeclare = operation.type === "method" && operation.name === "queue.declare";
  for (let waited = 0; actual !== expected && waited < PATIENCE_MS; waited = waited * 2 + 2) {
    actual = sorted(await side.wait(waited));
    // The counts of quorum queues lag behind.
    if (isDeclare && actual !== expected) actual = sorted(await side.run(operation));
  }
  return actual;
}

function sorted(outcome: Outcome): string {
  const groups = [...outcome].map(([group, lines]) => {
    if (group.endsWith("confirms")) lines.sort();
    return `${group}: ${lines.join("; ")}`;
  });
  return groups.sort().join("\n");
}

function report(seed: number, history: string[], expected: string, actual: string): string {
  const [ours, theirs] = [expected.split("\n"), actual.split("\n")];
  const differing = differenceOf(
    ours.filter((line) => !theirs.includes(line)),
    theirs.filter((line) => !ours.includes(line)),
  );
  // The same lines in another order.
  const moved = differenceOf(
    ours.filter((line, index) => line !== theirs[index]),
    theirs.filter((line, index) => line !== ours[index]),
  );
  return [`seed ${seed}`, ...history, ...differing.length === 0 ? moved : differing].join("\n");
}

function differenceOf(ours: readonly string[], theirs: readonly string[]): string[] {
  return [
    ...ours.map((line) => `embedded: ${line}`),
    ...theirs.map((line) => `RabbitMQ: ${line}`),
  ];
}

function show(operation: Operation): string {
  return JSON.stringify(operation, (_, value) => {
    if (value instanceof Map) return Object.fromEntries(value);
    if (value instanceof Uint8Array) return new TextDecoder().decode(value);
    return typeof value === "bigint" ? Number(value) : value;
  });
}
