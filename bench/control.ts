/**
 * `deno task bench:control [--seconds 60]`: how servers answer operators.
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

import { Buffer } from "node:buffer";
import { connect } from "../deps/amqplib.ts";
import { RpcControl } from "../extras/control/rpc_control.ts";
import { RpcClient } from "../mod.ts";
import { quantile } from "../tools/measuring/quantile.ts";
import { pause } from "../tools/time/waiting.ts";
import { ServerProcess } from "./server_process.ts";

const MANY_SERVERS = 8;
const CORES = navigator.hardwareConcurrency;
const LIMITS_MS = { ping: 25, stats: 50 } as const;
const MESSAGES = 10_000;
const MAX_CHANGE = 0.1;
/** About 100 ms of computing. */
const BUSY_INPUT = 33;

type Contract = {
  readonly echo: (value: unknown) => unknown;
  readonly memory: () => number;
  readonly slowFibonacci: (n: number) => number;
};

if (import.meta.main) {
  const url = Deno.env.get("AMQP_URL");
  if (url === undefined) throw new Error("Cannot measure without a broker: run it as a task");
  const [option, value = "60"] = Deno.args;
  const seconds = Number(value);
  if ((option !== undefined && option !== "--seconds") || !(seconds > 0)) {
    throw new TypeError(
      `Cannot measure as the only option is --seconds: current value is ${option}`,
    );
  }
  const kept = [
    await saturate(url, "thread", { servers: 1, workers: CORES, seconds }),
    await saturate(url, "process", { servers: 1, workers: CORES, seconds }),
    await saturate(url, "thread", { servers: MANY_SERVERS, workers: 1, seconds }),
    await saturate(url, "process", { servers: MANY_SERVERS, workers: 1, seconds }),
    await flood(url),
  ];
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

interface EchoFigures {
  readonly perSecond: number;
  readonly p99: number;
}

async function flood(url: string): Promise<boolean> {
  const queue = `bench-${crypto.randomUUID()}`;
  await using _server = await ServerProcess.start("controlled_server.ts", [
    url,
    queue,
    "thread",
    "1",
  ]);
  await using client = await RpcClient.connect<Contract>(url, { queue, log: false });
  const model = await connect(url);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => model.close());
  const channel = await model.createChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  await channel.consume(replyTo, () => {}, { noAck: true });
  const publish = (type: string, body: string, n: number) =>
    channel.publish("rpc.control", queue, Buffer.from(body), {
      type,
      replyTo,
      correlationId: String(n),
    });
  const kinds = {
    garbage: (n: number) => publish(n % 2 === 0 ? "stats" : "x".repeat(200), "{".repeat(400), n),
    "honest questions": (n: number) => publish("stats", "", n),
  };
  await echo(client, 2_000);
  let isKept = true;
  const before = await client.call("memory");
  for (const [kind, send] of Object.entries(kinds)) {
    // In turns: whatever else this machine does happens to both.
    const quiet: EchoFigures[] = [];
    const flooded: EchoFigures[] = [];
    for (let turn = 0; turn < 5; turn++) {
      quiet.push(await echo(client, 1_000));
      const sending = sendAll(send, turn);
      flooded.push(await echo(client, 1_000));
      await sending;
    }
    isKept = compare(kind, quiet, flooded) && isKept;
  }
  const after = await client.call("memory");
  const grown = (after - before) / 1_048_576;
  const comesBack = grown < 8;
  say(`memory: ${grown.toFixed(1)} MiB more, must be < 8: ${comesBack ? "holds" : "MISSED"}`);
  return isKept && comesBack;
}

/** A fifth of the messages, over a second. */
async function sendAll(send: (n: number) => unknown, turn: number): Promise<void> {
  const count = MESSAGES / 5;
  for (let n = 0; n < count; n++) {
    send(turn * count + n);
    if (n % 20 === 19) await pause(10);
  }
}

async function echo(client: RpcClient<Contract>, forMs: number): Promise<EchoFigures> {
  const until = performance.now() + forMs;
  const times: number[] = [];
  const turn = async () => {
    for (let at = performance.now(); at < until;) {
      await client.call("echo", 1);
      const now = performance.now();
      times.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: 8 }, turn));
  return { perSecond: times.length / forMs * 1_000, p99: quantile(times.toSorted(byNumber), 0.99) };
}

function compare(
  kind: string,
  quiet: readonly EchoFigures[],
  flooded: readonly EchoFigures[],
): boolean {
  const middle = (values: readonly number[]) => quantile(values.toSorted(byNumber), 0.5);
  const change = (figure: keyof EchoFigures) =>
    middle(flooded.map((each) => each[figure])) / middle(quiet.map((each) => each[figure])) - 1;
  const [rate, p99] = [change("perSecond"), change("p99")];
  const isKept = rate > -MAX_CHANGE && p99 < MAX_CHANGE;
  const percent = (share: number) => `${share > 0 ? "+" : ""}${(share * 100).toFixed(1)} %`;
  say(
    `${MESSAGES} ${kind}: echo rate ${percent(rate)}, p99 ${percent(p99)}; ` +
      `must change by less than 10 %: ${isKept ? "holds" : "MISSED"}`,
  );
  return isKept;
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
