/** `warren bench`. @module */

import { type Command, InvalidArgumentError, Option } from "../../../deps/commander.ts";
import { RpcClient } from "../../../mod.ts";
import { formatDuration, parseDuration } from "../../duration.ts";
import { CommandError, EXIT_CODE, exitCodeOfCode } from "../../exit_code.ts";
import {
  type Broker,
  brokerOf,
  type GlobalOptions,
  outputOf,
  parseLeastOne,
  withGlobalOptions,
} from "../../global_options.ts";
import { type Output, printable } from "../../output.ts";
import { readCallInput } from "../call_input.ts";
import { benchChart, benchLines } from "./bench_chart.ts";
import { load, type LoadReport } from "./load.ts";

interface BenchFlags extends GlobalOptions {
  readonly clients: number;
  readonly inflight: number;
  readonly rate?: number;
  readonly duration: number;
  readonly csv?: string;
  readonly svg?: string;
}

/** Adds the command. */
export function addBench(program: Command, onExitCode: (code: number) => void): void {
  const command = program.command("bench <queue> <procedure> [input]")
    .description("Call a procedure again and again, and tell how long it takes")
    .addOption(
      new Option("--clients <n>", "connections").argParser(parseLeastOne).default(1),
    )
    .addOption(
      new Option("--inflight <n>", "calls at a time, of all clients; with --rate the most")
        .argParser(parseLeastOne).default(64),
    )
    .option("--rate <n>", "calls that begin in a second, whatever becomes of them", parseRate)
    .addOption(
      new Option("--duration <time>", "for how long").argParser(parseDuration)
        .default(10_000, "10s"),
    )
    .option("--csv <file>", "write a line for each second")
    .option("--svg <file>", "write a chart")
    .addHelpText(
      "after",
      `
With --rate calls are due at their times and are measured from then on (an open loop): a stall shows
in all calls that would have come meanwhile. Without it a call begins when another ends (a closed
loop), which measures how much can be done. Ctrl-C ends it, and tells what was measured until then.

Examples:
  $ warren bench math add '{"a": 1, "b": 2}'
  $ warren bench math add @input.json --rate 500 --duration 30s --csv add.csv --svg add.svg`,
    );
  withGlobalOptions(command, "30s").action(async (...args: unknown[]) => {
    const [queue = "", procedure = "", input] = args.filter((arg) => typeof arg === "string");
    const flags = command.opts<BenchFlags>();
    const parts = {
      queue,
      procedure,
      input: await readCallInput(input),
      broker: await brokerOf(flags),
    };
    onExitCode(await bench(parts, flags));
  });
}

interface BenchParts {
  readonly queue: string;
  readonly procedure: string;
  readonly input: unknown;
  readonly broker: Broker;
}

async function bench(parts: BenchParts, flags: BenchFlags): Promise<number> {
  const { queue, procedure, input, broker } = parts;
  const { clients: count, inflight, rate, duration, csv, svg } = flags;
  const output = outputOf(flags);
  await using stack = new AsyncDisposableStack();
  const clients = await Promise.all(Array.from({ length: count }, async () => {
    const options = { ...broker.options, queue, timeoutMs: flags.timeout, log: false };
    return await RpcClient.connect(broker.url, options);
  }));
  for (const client of clients) stack.defer(() => client.close({ graceMs: 0 }));
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  Deno.addSignalListener("SIGINT", interrupt);
  stack.defer(() => Deno.removeSignalListener("SIGINT", interrupt));
  const loop = rate === undefined ? "closed" : "open";
  output.say(
    `${loop} loop for ${formatDuration(duration)}, ${count} ${
      count === 1 ? "client" : "clients"
    }, ` +
      (rate === undefined ? `${inflight} calls at a time` : `${rate} calls a second`),
  );
  const report = await load({
    call: (index) => clients[index % count]?.call(procedure, input) ?? Promise.resolve(),
    inFlight: inflight,
    ratePerS: rate,
    durationMs: duration,
    signal: interrupted.signal,
  });
  const title = `${queue} ${procedure}`;
  print(report, { loop, title, output });
  if (csv !== undefined) await writeFile(csv, csvOf(report));
  if (svg !== undefined) await writeFile(svg, benchChart(report.times, `${title}, ${loop} loop`));
  return interrupted.signal.aborted ? EXIT_CODE.interrupted : codeOf(report);
}

function print(
  report: LoadReport,
  { loop, title, output }: {
    readonly loop: string;
    readonly title: string;
    readonly output: Output;
  },
): void {
  const { times, errors, elapsedMs, notSent } = report;
  const at = (share: number) => round(times.quantile(share));
  const perSecond = Math.round(times.count / elapsedMs * 1_000);
  const [p50, p90, p95, p99, p999, max] = [0.5, 0.9, 0.95, 0.99, 0.999, 1].map(at);
  const figures = { p50, p90, p95, p99, p999, max };
  const failed = [...errors.values()].reduce((sum, count) => sum + count, 0);
  if (!output.isText) {
    return output.one({
      type: "warren.rpc.v1.bench",
      loop,
      calls: times.count,
      perSecond,
      elapsedMs: Math.round(elapsedMs),
      mean: round(times.mean),
      ...figures,
      errors: Object.fromEntries(errors),
      notSent,
    });
  }
  output.list([], [{
    CALLS: times.count,
    "PER S": perSecond,
    P50: p50 ?? 0,
    P90: p90 ?? 0,
    P95: p95 ?? 0,
    P99: p99 ?? 0,
    "P99.9": p999 ?? 0,
    MAX: max ?? 0,
    ERRORS: failed,
  }]);
  if (times.count > 0) output.raw(`\n${title}, ms\n${benchLines(times).join("\n")}\n`);
  for (const [code, count] of errors) output.raw(printable(`${count} failed: ${code}\n`));
  if (notSent > 0) {
    output.raw(
      `${notSent} were due and not made, as --inflight was reached: the rate is too high\n`,
    );
  }
}

function csvOf({ seconds }: LoadReport): string {
  const rows = seconds.map(({ second, times, errors }) => {
    const quantiles = [0.5, 0.95, 0.99, 1].map((share) => round(times.quantile(share)));
    return [second, times.count, errors, ...quantiles].join(",");
  });
  return ["second,calls,errors,p50_ms,p95_ms,p99_ms,max_ms", ...rows, ""].join("\n");
}

async function writeFile(path: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(EXIT_CODE.data, `Cannot write the file "${path}": ${reason}`);
  }
}

/** Of calls that all failed, what one of them would have ended with. */
function codeOf({ times, errors, notSent }: LoadReport): number {
  const [code] = errors.keys();
  if (code === undefined) return notSent > 0 ? EXIT_CODE.partial : EXIT_CODE.ok;
  return times.count > 0 ? EXIT_CODE.partial : exitCodeOfCode(code);
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (text !== "" && rate > 0 && rate <= 1_000_000) return rate;
  throw new InvalidArgumentError("It must be a number of calls, more than 0.");
}
