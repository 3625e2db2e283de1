/** `warren ls`, `info`, `stats`, `ping`, `active` and `why`: what changes nothing. @module */

import type { Command } from "../../deps/commander.ts";
import type { RequestReport, ServerStats, Whereabouts } from "../../extras/control/rpc_control.ts";
import { formatDuration, parseDuration } from "../duration.ts";
import type { Row } from "../output.ts";
import {
  askServers,
  type ControlFlags,
  type ControlScene,
  requireAnswers,
  tellSilent,
  withControlOptions,
} from "./control_scene.ts";

const TYPE = "warren.rpc.v1.";

/** Adds the commands. */
export function addQuestions(program: Command, onExitCode: (code: number) => void): void {
  const add = (
    usage: string,
    [description, example]: readonly [string, string],
    work: (scene: ControlScene, args: readonly string[], flags: ActiveFlags) => Promise<void>,
  ) => {
    const command = program.command(usage).description(description)
      .addHelpText("after", `\nExample:\n  $ warren ${example}`);
    if (usage.startsWith("active")) {
      command.option("--older <time>", "only requests that are older", parseDuration);
    }
    return withControlOptions(command).action(async (...all: unknown[]) => {
      const flags = command.opts<ActiveFlags>();
      const args = all.filter((arg) => typeof arg === "string");
      onExitCode(await askServers(flags, (scene) => work(scene, args, flags)));
    });
  };
  add("ls [queue]", ["List queues, with their servers", "ls"], list).alias("l");
  add("info <queue>", ["Tell servers and procedures", "info math -j"], info)
    .aliases(["i", "describe"]);
  add("stats <queue>", ["Count requests, by procedure", "stats math --watch 1s"], stats);
  add("ping [queue]", ["Find servers, and how fast they answer", "ping math --expect 2"], ping);
  add("active <queue>", ["List the requests in hand", "active math --older 10s"], active);
  add("why <queue> <id>", ["Tell where a request is", "why math 3f2a90c1b2d4"], why);
}

interface ActiveFlags extends ControlFlags {
  readonly older?: number;
}

async function list({ control, output, target }: ControlScene, [queue]: readonly string[]) {
  const servers = await control.stats(target(queue));
  requireAnswers(servers.length);
  const queues = Map.groupBy(servers, ({ name }) => name);
  const rows: Row[] = [];
  for (const [name, servers] of queues) {
    const state = await control.queue(name).catch(() => undefined);
    const procedures = new Set(
      servers.flatMap(({ endpoints }) => endpoints.map(({ name }) => name)),
    );
    procedures.delete("_OTHER");
    const lags = servers.flatMap(({ lagMs }) => lagMs ?? []);
    rows.push({
      QUEUE: name,
      SERVERS: servers.length,
      PROCEDURES: procedures.size,
      READY: state?.ready ?? "?",
      CONSUMERS: state?.consumers ?? "?",
      "IN HAND": servers.reduce((sum, { inHand }) => sum + inHand, 0),
      LAG: lags.length === 0 ? "-" : formatDuration(Math.max(...lags)),
      VERSION: [...new Set(servers.map(({ version }) => version))].join(" "),
    });
  }
  const names = Object.keys(rows[0] ?? {});
  output.list(
    rows.map((row) => ({
      type: `${TYPE}queue`,
      ...Object.fromEntries(names.map((name) => [camelCase(name), row[name]])),
    })),
    rows,
  );
}

async function info({ control, output, target }: ControlScene, [queue = ""]: readonly string[]) {
  const servers = await control.info(target(queue));
  requireAnswers(servers.length);
  const rows = servers.flatMap((server) =>
    server.endpoints.map((endpoint) => ({
      SERVER: server.id,
      HOST: server.host ?? "-",
      PID: server.pid,
      STATE: server.state,
      STARTED: server.started,
      PROCEDURE: endpoint.name,
      KIND: endpoint.kind ?? "-",
      DESCRIPTION: endpoint.description ?? "",
    }))
  );
  output.list(servers.map((server) => ({ ...server, type: `${TYPE}info` })), rows);
}

async function stats(scene: ControlScene, [queue = ""]: readonly string[]) {
  const { control, output, target } = scene;
  const servers = await control.stats(target(queue));
  requireAnswers(servers.length);
  const items = servers.map((server) => ({ ...server, type: `${TYPE}stats` }));
  output.list(items, servers.flatMap(statsRows));
  await tellSilent(scene, queue, servers.length);
}

function statsRows({ id, endpoints }: ServerStats): Row[] {
  return endpoints.map(({ numRequests, numErrors, lastError, ...endpoint }) => ({
    SERVER: id,
    PROCEDURE: endpoint.name,
    REQ: numRequests,
    "ERR%": numRequests === 0 ? 0 : Math.round(numErrors / numRequests * 1_000) / 10,
    P50: endpoint.p50,
    P95: endpoint.p95,
    P99: endpoint.p99,
    "WAIT P95": endpoint.waitP95 ?? "-",
    "IN HAND": endpoint.inHand,
    "LAST ERROR": lastError === undefined ? "" : `${lastError.at} ${lastError.outcome}`,
  }));
}

async function ping({ control, output, target }: ControlScene, [queue]: readonly string[]) {
  const servers = await control.ping(target(queue));
  requireAnswers(servers.length);
  const rows = servers.map(({ name, id, host, pid, roundTripMs, loopDelayMs }) => ({
    SERVER: `${name}/${id}`,
    HOST: host ?? "-",
    PID: pid,
    "RTT MS": roundTripMs,
    "LOOP DELAY MS": loopDelayMs,
  }));
  output.list(servers.map((server) => ({ ...server, type: `${TYPE}ping` })), rows);
}

async function active(
  { control, output, target }: ControlScene,
  [queue = ""]: readonly string[],
  { older }: ActiveFlags,
) {
  const servers = await control.active({
    ...target(queue),
    ...(older !== undefined && { olderMs: older }),
  });
  requireAnswers(servers.length);
  const requests = servers.flatMap((server) =>
    server.requests.map((request) => ({ server: server.id, ...request }))
  );
  const items = requests.map((request) => ({ type: `${TYPE}request`, ...request }));
  output.list(items, requests.map(activeRow));
  if (requests.length === 0) output.say("No requests are in hand");
}

function activeRow(request: RequestReport & { readonly server: string }): Row {
  return {
    ID: request.id,
    PROC: request.procedure,
    SERVER: request.server,
    WORKER: request.worker ?? "-",
    STATE: request.state === "waiting" ? `waiting, ${request.ahead} ahead` : request.state,
    FOR: formatDuration(request.forMs),
    PROGRESS: request.progress ?? "",
    CALLER: request.caller ?? "-",
    ATTEMPT: request.attempt,
  };
}

async function why({ control, output, target }: ControlScene, args: readonly string[]) {
  const [queue = "", id = ""] = args;
  const found = await control.why(queue, id, target(queue));
  const words = wordsOf(queue, found);
  output.list([{ type: `${TYPE}why`, id, words, ...found }], [{ WHY: words }]);
}

/** Says where a request is, in words. */
export function wordsOf(queue: string, { servers, queue: state }: Whereabouts): string {
  for (const { id, host, request } of servers) {
    if (request === undefined) continue;
    const server = `server ${id}${host === undefined ? "" : ` on ${host}`}`;
    const time = formatDuration(request.forMs);
    if (request.state === "waiting") {
      return `in the backlog of ${server} for ${time}, ${request.ahead} ahead`;
    }
    if (request.state === "settling") return `answered by ${server}: its reply is under way`;
    const worker = request.worker === undefined ? "" : `worker ${request.worker} of `;
    const progress = request.progress === undefined ? "" : `, progress ${request.progress}`;
    return `running on ${worker}${server} for ${time}${progress}`;
  }
  if (state === undefined) return `unknown: there is no queue "${queue}"`;
  const { ready, consumers } = state;
  if (ready === 0) return "unknown to everybody who answered: it was answered, or is lost";
  return `not in hand: perhaps one of ${ready} in the queue, with ${consumers} consumers`;
}

function camelCase(title: string): string {
  return title.toLowerCase().replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase());
}
