/** `warren call`. @module */

import { type Command, InvalidArgumentError, Option } from "../../deps/commander.ts";
import { RpcClient } from "../../mod.ts";
import { formatDuration } from "../duration.ts";
import { EXIT_CODE } from "../exit_code.ts";
import { brokerOf, type GlobalOptions, outputOf, withGlobalOptions } from "../global_options.ts";
import { CODEC_NAMES, type CodecName, CODECS, readCallInput } from "./call_input.ts";
import { printCallOutput } from "./call_output.ts";
import { jsonText, type Output } from "../output.ts";

interface CallFlags extends GlobalOptions {
  readonly stream?: true;
  readonly progress?: true;
  readonly notify?: true;
  readonly immediate?: true;
  readonly priority?: number;
  readonly key?: string;
  readonly header: Readonly<Record<string, string>>;
  readonly count: number;
  readonly concurrency: number;
  readonly verbose?: true;
  readonly codec: CodecName;
  readonly raw?: true;
}

/** Reads an integer of at least 0. */
export function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be an integer of at least 0.");
}

/** Adds the command. */
export function addCall(program: Command, onExitCode: (code: number) => void): void {
  const command = program.command("call <queue> <procedure> [input]")
    .description("Call a procedure. The input is JSON, - for stdin, or @file.")
    .addOption(
      new Option("--codec <name>", "how the input travels; bytes are taken as they are")
        .choices(CODEC_NAMES).default("json"),
    )
    .option("--raw", "print a text without quotes, and bytes on a terminal, too")
    .option("--stream", "print the items of a stream as they come, one line each")
    .option("--progress", "tell on stderr how far the work has come")
    .option("--notify", "want no output")
    .option("--immediate", "fail unless a server has room at once")
    .option("--priority <n>", "from 0 to 9", parseCount)
    .option("--key <key>", "idempotency key: the same work is done once")
    .addOption(
      new Option("-H, --header <name=value>", "a header; may be given again")
        .argParser(addHeader).default({}, "none"),
    )
    .addOption(new Option("-n, --count <n>", "call so often").argParser(parseCount).default(1))
    .addOption(
      new Option("--concurrency <n>", "so many at a time").argParser(parseCount).default(1),
    )
    .option("--verbose", "tell on stderr how long it took")
    .addHelpText(
      "after",
      `
Examples:
  $ warren call math add '{"a": 1, "b": 2}'
  $ echo 90 | warren call math fibonacci -
  $ warren call math primes 100 --stream
  $ warren call images shrink @photo.jpg --codec bytes > small.jpg
  $ warren call math add @input.json -n 1000 --concurrency 16`,
    );
  withGlobalOptions(command, "30s").action(async (...args: unknown[]) => {
    const [queue = "", procedure = "", input] = args.filter((arg) => typeof arg === "string");
    const flags = command.opts<CallFlags>();
    const parts = { ...flags, input: await readCallInput(input, flags.codec) };
    onExitCode(await call(queue, procedure, parts));
  });
}

async function call(
  queue: string,
  procedure: string,
  flags: CallFlags & { readonly input: unknown },
): Promise<number> {
  const output = outputOf(flags);
  const broker = await brokerOf(flags);
  await using client = await RpcClient.connect(broker.url, {
    ...broker.options,
    queue,
    codecs: CODECS[flags.codec],
    timeoutMs: flags.timeout,
    log: false,
  });
  const print = (value: unknown) => printCallOutput(value, { output, raw: flags.raw ?? false });
  const startedAt = performance.now();
  if (flags.stream) {
    const items = client.stream(procedure, flags.input, callOptions(flags, output));
    for await (const item of items) print(item);
  } else if (flags.notify) {
    await client.notify(procedure, flags.input, { headers: flags.header });
  } else if (flags.count === 1) {
    print(await client.call(procedure, flags.input, callOptions(flags, output)));
  } else {
    const times: number[] = [];
    const { count, concurrency, input } = flags;
    await inTurns(count, concurrency, async () => {
      const at = performance.now();
      await client.call(procedure, input, callOptions(flags, output));
      times.push(performance.now() - at);
    });
    summarize(times, performance.now() - startedAt, output);
  }
  if (flags.verbose) output.say(formatDuration(performance.now() - startedAt));
  return EXIT_CODE.ok;
}

function callOptions({ progress, immediate, priority, key, header }: CallFlags, output: Output) {
  return {
    headers: header,
    ...(immediate && { immediate }),
    ...(priority !== undefined && { priority }),
    ...(key !== undefined && { idempotencyKey: key }),
    ...(progress && { onProgress: (value: unknown) => output.say(progressText(value)) }),
  };
}

/** A share of the whole as a bar. */
function progressText(value: unknown): string {
  if (typeof value !== "number" || value < 0 || value > 1) return jsonText(value);
  const filled = Math.round(value * 30);
  return `[${"#".repeat(filled)}${"-".repeat(30 - filled)}] ${Math.round(value * 100)} %`;
}

/** Does something so often, so many at a time; the first failure ends it. */
async function inTurns(count: number, concurrency: number, work: () => Promise<void>) {
  let left = count;
  const turn = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: Math.max(1, concurrency) }, turn));
}

function summarize(times: readonly number[], elapsedMs: number, output: Output): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const ms = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return Math.round(ms * 100) / 100;
  };
  const perSecond = Math.round(times.length / elapsedMs * 1_000);
  const [p50, p95, p99] = [at(0.5), at(0.95), at(0.99)];
  const item = { type: "warren.rpc.v1.calls", calls: times.length, perSecond, p50, p95, p99 };
  output.list([item], [{ CALLS: times.length, "PER S": perSecond, P50: p50, P95: p95, P99: p99 }]);
}

function addHeader(text: string, headers: Readonly<Record<string, string>>) {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be name=value.");
  return { ...headers, [text.slice(0, at)]: text.slice(at + 1) };
}
