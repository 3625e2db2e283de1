/** `warren serve` and `warren dev`: servers of a worker file. @module */

import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "../../deps/commander.ts";
import { formatDuration, parseDuration } from "../duration.ts";
import { EXIT_CODE } from "../exit_code.ts";
import {
  type Broker,
  brokerOf,
  type GlobalOptions,
  NO_TIMEOUT,
  outputOf,
  parseLeastOne,
  withGlobalOptions,
} from "../global_options.ts";
import type { Output } from "../output.ts";
import { firstSignal, WorkerService } from "./worker_service.ts";

interface ServeFlags extends Omit<GlobalOptions, "timeout"> {
  readonly queue?: string;
  readonly workers: number;
  readonly isolation: "thread" | "process";
  readonly prefetch?: number;
  readonly durability: "replicated" | "durable";
  readonly control: "none" | "read" | "admin";
  readonly grace: number;
  readonly health?: number;
  readonly healthRemote?: true;
  readonly watch?: true;
}

interface DevFlags extends Omit<ServeFlags, "durability" | "control" | "grace" | "watch"> {
  readonly port: number;
  readonly page: number;
}

/** What is unlike from one of the two commands to the other. */
interface ServeParts {
  readonly broker: Broker;
  readonly flags: ServeFlags;
  readonly output: Output;
  /** More lines of the banner. */
  readonly lines?: readonly string[];
}

/** Adds the commands. */
export function addServe(program: Command, onExitCode: (code: number) => void): void {
  const serve = withServeOptions(program.command("serve <worker>"))
    .description("Serve a worker file, until SIGTERM or Ctrl-C; a second one ends it at once")
    .addOption(
      new Option("--durability <kind>", "what the queue survives: the loss of a node, or a restart")
        .choices(["replicated", "durable"]).default("replicated"),
    )
    .addOption(
      new Option("--control <who>", "who may ask it, and who may change what it does")
        .choices(["none", "read", "admin"]).default("read"),
    )
    .addOption(
      new Option("--grace <time>", "how long requests in hand may go on at the end")
        .argParser(parseDuration).default(30_000, "30s"),
    )
    .option("--health <port>", "answer probes there: /livez, /readyz, and a page", parsePort)
    .option("--health-remote", "answer the probes of other machines, too")
    .option("--watch", "start anew with new code when a file beside or below it changes")
    .addHelpText(
      "after",
      `
Examples:
  $ warren serve fibonacci_worker.ts --queue fibonacci
  $ warren serve worker.ts --queue math --workers 4 --health 8080 --control admin`,
    );
  withGlobalOptions(serve, NO_TIMEOUT).action(async (file: string) => {
    const flags = serve.opts<ServeFlags>();
    const parts = { broker: await brokerOf(flags), flags, output: outputOf(flags) };
    onExitCode(await serveFile(file, parts));
  });
  addDev(program, onExitCode);
}

function addDev(program: Command, onExitCode: (code: number) => void): void {
  const dev = withServeOptions(program.command("dev <worker>"))
    .description("Serve a worker file with a broker of its own, and anew when it changes")
    .addOption(
      new Option("--port <port>", "of the broker; another one if it is taken")
        .argParser(parsePort).default(5672),
    )
    .addOption(
      new Option("--page <port>", "of a page that shows what goes on; another one if it is taken")
        .argParser(parsePort).default(8080),
    )
    .option("-q, --quiet", "no words on stderr but errors")
    .addHelpText(
      "after",
      `
Nothing has to be installed: the broker is the one that tests have, and forgets all at the end.

Example:
  $ warren dev fibonacci_worker.ts`,
    );
  dev.action(async (file: string) => onExitCode(await develop(file, dev.opts<DevFlags>())));
}

function withServeOptions(command: Command): Command {
  return command
    .option("--queue <name>", "request queue; made of the file's name unless told")
    .addOption(
      new Option("--workers <n>", "how many at a time").argParser(parseLeastOne)
        .default(navigator.hardwareConcurrency, "one for each core"),
    )
    .addOption(
      new Option("--isolation <kind>", "what a worker is").choices(["thread", "process"])
        .default("thread"),
    )
    .option(
      "--prefetch <n>",
      "most requests in hand; as the workers need unless told",
      parseLeastOne,
    );
}

async function develop(file: string, flags: DevFlags): Promise<number> {
  const output = outputOf({ ...flags, output: "text" });
  // Whoever only calls does not load a broker.
  const { TestBroker } = await import("../../testing/mod.ts");
  await using broker = await TestBroker.start({ port: flags.port })
    .catch(() => TestBroker.start());
  const queue = flags.queue ?? queueOf(file);
  const url = new URL(broker.url);
  const isUsual = broker.port === 5672;
  const call = `${isUsual ? "" : `AMQP_URL=${broker.url} `}warren call ${queue}`;
  const port = freePort(flags.page);
  return await serveFile(file, {
    broker: { url, options: {} },
    flags: {
      ...flags,
      durability: "durable",
      control: "admin",
      grace: 2_000,
      watch: true,
      health: port,
    },
    output,
    lines: [`call        ${call} PROCEDURE '{"an": "input"}'`],
  });
}

async function serveFile(file: string, parts: ServeParts): Promise<number> {
  const { broker, flags, output, lines = [] } = parts;
  const { queue = queueOf(file), workers, isolation, health, grace } = flags;
  const ended = firstSignal();
  const service = await WorkerService.start({
    ...flags,
    broker,
    file,
    queue,
    graceMs: grace,
    isQuiet: flags.quiet ?? false,
    say: (words) => output.say(words),
  });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => service.close());
  const page = health === undefined
    ? undefined
    : service.serveHealth(health, flags.healthRemote ?? false);
  if (page !== undefined) stack.defer(() => page.shutdown());
  const banner = [
    `warren serves ${queue} at ${broker.url.protocol}//${broker.url.host}`,
    ...(flags.queue === undefined
      ? ["queue       has the name of the file: --queue gives it another"]
      : []),
    `worker      ${file}`,
    `procedures  ${service.procedures.join(", ")}`,
    `workers     ${workers}, each a ${isolation}`,
    ...(page === undefined ? [] : [`page        http://127.0.0.1:${page.addr.port}/`]),
    ...lines,
    `Ctrl-C ends it, once what is in hand is done, after ${formatDuration(grace)} at most`,
  ];
  for (const line of banner) output.say(line);
  const watching = new AbortController();
  const watched = flags.watch ? service.watch(watching.signal) : Promise.resolve();
  output.say(`${await ended}: closing`);
  watching.abort();
  await watched;
  return EXIT_CODE.ok;
}

/** `fibonacci_worker.ts` serves `fibonacci`. */
function queueOf(file: string): string {
  return basename(file).replace(/\.\w+$/, "").replace(/[_-]worker$/, "");
}

function freePort(port: number): number {
  try {
    using _listener = Deno.listen({ hostname: "127.0.0.1", port });
    return port;
  } catch {
    return 0;
  }
}

function parsePort(text: string): number {
  const port = parseLeastOne(text);
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a port, from 1 to 65535.");
}
