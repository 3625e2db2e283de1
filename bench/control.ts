/**
 * `deno task bench:control`: how servers answer operators.
 *
 * First the workers of one server, as many as there are cores, compute all the time, in threads, then in
 * processes: `ping` must take less than 25 ms at p99, `stats` less than 50 ms, and each question must be
 * answered. Then eight servers of one queue do so, on the same cores: each time all eight must answer.
 * How long that takes is told, and not judged: eight threads that compute share the cores with eight
 * that answer. Then one server gets 10,000 control messages of garbage, and 10,000 honest questions of
 * one client: the echo rate and p99 of its callers must change by less than 10 %, and its memory must
 * come back.
 *
 * @module
 */

import { parseArgs } from "../deps/std_cli.ts";
import { RpcControl } from "../extras/control/rpc_control.ts";
import { RpcClient } from "../mod.ts";
import { quantile } from "../tools/measuring/quantile.ts";
import { pause } from "../tools/time/waiting.ts";
import { checkArguments, readCount } from "./arguments.ts";
import { measureFloods } from "./control/flood.ts";
import { ServerProcess } from "./server_process.ts";

const MANY_SERVERS = 8;
const CORES = navigator.hardwareConcurrency;
const LIMITS_MS = { ping: 25, stats: 50 } as const;
/** About 100 ms of computing. */
const BUSY_INPUT = 33;

type Contract = {
  readonly slowFibonacci: (n: number) => number;
};

const USAGE = `
Usage: deno task bench:control [options]

Measures how servers answer operators, and what floods of control messages cost their callers.

  --seconds N  how long workers compute, each time (default: 60)
  --rounds N   how often 10,000 messages of each kind are sent (default: 2)
  --only PART  saturation or floods
`;

if (import.meta.main) {
  checkArguments(USAGE);
  const { only, ...numbers } = parseArgs(Deno.args, {
    string: ["seconds", "rounds", "only"],
    default: { seconds: "60", rounds: "2" },
  });
  const [seconds, rounds] = [
    readCount("seconds", numbers.seconds),
    readCount("rounds", numbers.rounds),
  ];
  const url = Deno.env.get("AMQP_URL");
  if (url === undefined) throw new Error("Cannot measure without a broker: run it as a task");
  const kept: boolean[] = [];
  if (only !== "floods") {
    for (const [servers, workers] of [[1, CORES], [MANY_SERVERS, 1]] as const) {
      kept.push(await saturate(url, "thread", { servers, workers, seconds }));
      kept.push(await saturate(url, "process", { servers, workers, seconds }));
    }
  }
  if (only !== "saturation") kept.push(await measureFloods(url, rounds));
  say(`load average: ${Deno.loadavg().map((load) => load.toFixed(1)).join(", ")}`);
  Deno.exit(kept.every((each) => each) ? 0 : 1);
}

/** What computes, and for how long. */
interface Saturation {
  readonly servers: number;
  /** Of each server. */
  readonly workers: number;
  readonly seconds: number;
}

async function saturate(
  url: string,
  isolation: "thread" | "process",
  { servers, workers, seconds }: Saturation,
): Promise<boolean> {
  const queue = `bench-${crypto.randomUUID()}`;
  await using stack = new AsyncDisposableStack();
  for (let server = 0; server < servers; server++) {
    const args = [url, queue, isolation, String(workers)];
    stack.use(await ServerProcess.start("controlled_server.ts", args));
  }
  await using client = await RpcClient.connect<Contract>(url, { queue, log: false });
  await using control = await RpcControl.connect(url);
  const until = performance.now() + seconds * 1_000;
  let computed = 0;
  const keepBusy = async () => {
    while (performance.now() < until) {
      await client.call("slowFibonacci", BUSY_INPUT, { timeoutMs: 60_000 });
      computed++;
    }
  };
  const busy = Promise.all(Array.from({ length: 4 * servers * workers }, keepBusy));
  const times = { ping: [] as number[], stats: [] as number[] };
  let missing = 0;
  for (let turn = 0; performance.now() < until; turn++) {
    const verb = turn % 2 === 0 ? "ping" : "stats";
    const target = { queue, expect: servers, timeoutMs: 2_000 };
    const answers = verb === "ping" ? await control.ping(target) : await control.stats(target);
    times[verb].push(...answers.map(({ roundTripMs }) => roundTripMs));
    missing += servers - answers.length;
    // A server answers 20 questions in a second of each who asks.
    await pause(100);
  }
  await busy;
  say(
    `${servers} servers, ${servers * workers} workers on ${CORES} cores, each a ${isolation}, ` +
      `${seconds} s: ${computed} calls computed`,
  );
  const inTime = (["ping", "stats"] as const).map((verb) =>
    judge(
      `  ${verb}, ${times[verb].length} answers`,
      times[verb],
      servers === 1 ? LIMITS_MS[verb] : undefined,
    )
  );
  say(`  answers that did not come: ${missing}, must be 0: ${missing === 0 ? "holds" : "MISSED"}`);
  return missing === 0 && inTime.every((kept) => kept);
}

/** Without a limit it only tells. */
function judge(what: string, times: readonly number[], limitMs: number | undefined): boolean {
  const sorted = times.toSorted(byNumber);
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(sorted, share));
  const isKept = limitMs === undefined || (p99 ?? Infinity) < limitMs;
  const figures = [p50, p99, max].map((ms) => (ms ?? NaN).toFixed(1));
  const verdict = limitMs === undefined
    ? ""
    : `; p99 must be < ${limitMs}: ${isKept ? "holds" : "MISSED"}`;
  say(`${what}: p50 ${figures[0]}, p99 ${figures[1]}, max ${figures[2]} ms${verdict}`);
  return isKept;
}

function byNumber(a: number, b: number): number {
  return a - b;
}

function say(line: string): void {
  console.log(line);
}
