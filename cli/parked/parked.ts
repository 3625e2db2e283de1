/** `warren parked`: requests that servers could not serve. @module */

import { type Command, Option } from "../../deps/commander.ts";
import {
  type ParkedDetails,
  type ParkedRequest,
  ParkedRequests,
} from "../../extras/parked/parked_requests.ts";
import { parseCount } from "../calling/call.ts";
import { formatDuration, parseDuration } from "../duration.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";
import {
  type Broker,
  brokerOf,
  type GlobalOptions,
  outputOf,
  withGlobalOptions,
} from "../global_options.ts";
import { confirmOrThrow } from "../operating/changes.ts";
import { jsonText, type Output, printable } from "../output.ts";

/** All of them, in practice. */
const MAX_LISTED = 1_000_000;

interface ParkedFlags extends GlobalOptions {
  readonly all?: true;
  readonly yes?: true;
  readonly dryRun?: true;
  readonly procedure?: string;
  readonly reason?: string;
  readonly older?: number;
  readonly grep?: string;
  readonly limit: number;
}

interface Scene {
  readonly parked: ParkedRequests;
  readonly output: Output;
  readonly ids: readonly string[];
  readonly flags: ParkedFlags;
}

/** Adds the commands. */
export function addParked(program: Command, onExitCode: (code: number) => void): void {
  const group = program.command("parked").description("Look after requests that were parked")
    .addHelpText(
      "after",
      "\nExamples:\n  $ warren parked ls math\n  $ warren parked redrive math --all --yes",
    );
  const add = (
    [usage, description]: readonly [string, string],
    work: (scene: Scene) => Promise<number>,
    check: (ids: readonly string[], flags: ParkedFlags) => void = () => {},
  ) => {
    const command = group.command(usage).description(description)
      .option("--all", "all that the filters let through")
      .option("-y, --yes", "do not ask")
      .option("--dry-run", "tell which are meant, and change nothing")
      .option("--procedure <name>", "of that procedure")
      .option("--reason <code>", "parked for that reason")
      .option("--older <time>", "parked for longer", parseDuration)
      .option("--grep <text>", "with that text in its body")
      .addOption(new Option("--limit <n>", "at most so many").argParser(parseCount).default(1_000));
    withGlobalOptions(command).action(async (queue: string, ids: unknown) => {
      const flags = command.opts<ParkedFlags>();
      const given = (Array.isArray(ids) ? ids : [ids]).filter((id) => typeof id === "string");
      check(given, flags);
      const broker = await brokerOf(flags);
      await using parked = await ParkedRequests.open(broker.url, { ...broker.options, queue });
      onExitCode(await work({ parked, output: outputOf(flags), ids: given, flags }));
    });
  };
  add(["ls <queue>", "List them"], list);
  add(["show <queue> <id>", "Print one with its headers and its body"], show);
  add(
    ["redrive <queue> [ids...]", "Run them again"],
    (scene) => change(scene, "redrive"),
    checkMeant,
  );
  addReplay(group, onExitCode);
  add(
    ["drop <queue> [ids...]", "Drop them for good"],
    (scene) => change(scene, "drop"),
    checkMeant,
  );
}

function addReplay(group: Command, onExitCode: (code: number) => void): void {
  const command = group.command("replay <queue> <id> <worker>")
    .description("Run one here, in a worker of that file, with the very bytes that came")
    .addOption(
      new Option("--inspect-brk [address]", "wait for a debugger before it begins")
        .preset("127.0.0.1:9229"),
    )
    .addHelpText(
      "after",
      `
It stays parked, and nobody is answered.

Example:
  $ warren parked replay math 3f2a90c1 math_worker.ts
  $ warren parked replay math 3f2a90c1 math_worker.ts --inspect-brk`,
    );
  withGlobalOptions(command, "30s").action(async (queue: string, id: string, file: string) => {
    const flags = command.opts<GlobalOptions & { readonly inspectBrk?: string }>();
    // First what needs no broker.
    await checkWorkerFile(file);
    const broker = await brokerOf(flags);
    const found = await findOne(broker, queue, id);
    const output = outputOf(flags);
    // Whoever only lists them loads no workers.
    const { replay } = await import("./replay.ts");
    const { inspectBrk } = flags;
    onExitCode(await replay(found, { file, timeoutMs: flags.timeout, inspectBrk, output }));
  });
}

async function checkWorkerFile(file: string): Promise<void> {
  const isFile = await Deno.stat(file).then(({ isFile }) => isFile, () => false);
  if (isFile) return;
  throw new CommandError(EXIT_CODE.data, `Cannot run "${file}" as there is no such file`);
}

async function findOne(broker: Broker, queue: string, id: string): Promise<ParkedDetails> {
  await using parked = await ParkedRequests.open(broker.url, { ...broker.options, queue });
  const found = await parked.inspect(id);
  if (found !== undefined) return found;
  throw new CommandError(EXIT_CODE.partial, `No request "${id}" is parked`);
}

async function list({ parked, output, flags }: Scene): Promise<number> {
  const found = await select(parked, flags);
  printAll(found, output);
  if (found.length === 0) output.say("No requests are parked that are meant");
  if (found.length === flags.limit) {
    output.say(`There may be more: --limit says how many are listed, and is ${flags.limit}`);
  }
  return EXIT_CODE.ok;
}

function printAll(requests: readonly ParkedRequest[], output: Output): void {
  output.list(
    requests.map((request) => ({ type: "warren.rpc.v1.parked", ...request })),
    requests.map(({ id, parkedAt, procedure, reason, bytes }) => ({
      ID: id,
      AGE: parkedAt === undefined ? "-" : formatDuration(Date.now() - parkedAt),
      PROCEDURE: procedure ?? "-",
      REASON: reason,
      BYTES: bytes,
    })),
  );
}

async function show({ parked, output, ids: [id = ""] }: Scene): Promise<number> {
  const found = await parked.inspect(id);
  if (found === undefined) {
    throw new CommandError(EXIT_CODE.partial, `No request "${id}" is parked`);
  }
  const { body, ...rest } = found;
  const text = new TextDecoder().decode(body);
  if (output.isText) output.raw(`${jsonText(rest)}\n${printable(text)}\n`);
  else output.list([{ type: "warren.rpc.v1.parked", ...rest, body: text }], []);
  return EXIT_CODE.ok;
}

/** Nothing is connected for what says too little. */
function checkMeant(ids: readonly string[], flags: ParkedFlags): void {
  if (ids.length > 0 || flags.all) return;
  throw new CommandError(EXIT_CODE.usage, "Which ones is not said: give ids, or --all");
}

async function change(scene: Scene, verb: "redrive" | "drop"): Promise<number> {
  const { parked, output, ids, flags } = scene;
  const chosen = ids.length > 0 ? undefined : await select(parked, flags);
  if (flags.dryRun) {
    printAll(chosen ?? await those(parked, ids), output);
    return EXIT_CODE.ok;
  }
  const wanted = chosen?.map(({ id }) => id) ?? ids;
  confirmOrThrow(`${verb} ${wanted.length} parked requests`, flags);
  const counts = {
    ...(verb === "redrive" ? await parked.redrive(wanted) : await parked.drop(wanted)),
  };
  const titles = Object.entries(counts).map(([name, count]) => [name.toUpperCase(), count]);
  output.list([{ type: `warren.rpc.v1.${verb}`, ...counts }], [Object.fromEntries(titles)]);
  return counts.missing > 0 ? EXIT_CODE.partial : EXIT_CODE.ok;
}

async function those(parked: ParkedRequests, ids: readonly string[]): Promise<ParkedRequest[]> {
  const all = await parked.list({ limit: MAX_LISTED });
  return all.filter(({ id }) => ids.includes(id));
}

async function select(parked: ParkedRequests, flags: ParkedFlags): Promise<ParkedRequest[]> {
  const { procedure, reason, older, grep, limit } = flags;
  const hasFilter = [procedure, reason, older].some((filter) => filter !== undefined);
  const now = Date.now();
  const isMeant = (request: ParkedRequest) =>
    (procedure === undefined || request.procedure === procedure) &&
    (reason === undefined || request.reason === reason) &&
    (older === undefined || now - (request.parkedAt ?? now) > older);
  if (grep !== undefined) return await search(parked, { grep, limit, isMeant });
  const all = await parked.list({ limit: hasFilter ? MAX_LISTED : Math.max(1, limit) });
  return all.filter(isMeant).slice(0, limit);
}

/** Looks into bodies, each once. */
async function search(
  parked: ParkedRequests,
  { grep, limit, isMeant }: {
    readonly grep: string;
    readonly limit: number;
    readonly isMeant: (request: ParkedRequest) => boolean;
  },
): Promise<ParkedRequest[]> {
  const found: ParkedRequest[] = [];
  const decoder = new TextDecoder();
  await parked.forEach(({ body, headers: _, ...request }) => {
    if (isMeant(request) && decoder.decode(body).includes(grep)) found.push(request);
    return found.length < limit;
  });
  return found.toSorted((a, b) => (a.parkedAt ?? 0) - (b.parkedAt ?? 0)).slice(0, limit);
}
