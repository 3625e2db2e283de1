/** How `warren top` looks: lines that fit the terminal, whatever its size. @module */

import { formatDuration } from "../../duration.ts";
import { printableLine } from "../../output.ts";
import type { ScreenSize } from "../../screen.ts";
import { fitted } from "../../text_width.ts";
import { type Chosen, type Column, type Paint, plain, styled, tableOf } from "./columns.ts";
import { type Rates, sumOf, type TopProcedure, type TopServer, type TopView } from "./top_model.ts";

const HELP = [
  "Keys",
  "  j, k, arrows   another server, or another request",
  "  enter          look at a server: its procedures and requests; again: back",
  "  p              pause the server, or resume it (asks first)",
  "  c              cancel the request that is chosen, of a server that is looked at (asks first)",
  "  ?              this help, and away with it",
  "  q              the end",
  "",
  "SLOTS are workers of pools that work, else requests in hand of as many as it takes.",
  "Percentiles are milliseconds, of the last 30 to 60 s, and of the slowest server.",
  "A server that does not answer is silent: it may be gone, cut off, or compute on its own thread.",
  'p and c take servers with control: "admin", and the right to write to rpc.admin.',
];

/** Lines for a screen of that size. */
export function topScreen(view: TopView, size: ScreenSize, hasColors: boolean): string[] {
  const { columns, rows } = size;
  const paint = hasColors ? styled : plain;
  const line = (text: string) => fitted(printableLine(text), columns);
  const count = `${view.servers.length} ${view.servers.length === 1 ? "server" : "servers"}`;
  const left = Math.max(0, columns - count.length - 1);
  const head = paint("bold", `${fitted(printableLine(view.title), left)} ${count}`.slice(-columns));
  const foot = line(view.status || "? help  enter details  p pause  c cancel  q quit");
  const room = Math.max(0, rows - 2);
  const lines = view.isHelp ? HELP.map(line) : bodyOf(view, { columns, rows: room }, paint);
  const filled = [...lines, ...Array.from({ length: room }, () => "")].slice(0, room);
  return [head, ...filled, foot].slice(0, rows);
}

function bodyOf(view: TopView, { columns, rows }: ScreenSize, paint: Paint): string[] {
  const { details, selected } = view;
  const table = <T>(all: readonly Column<T>[], items: readonly T[], chosen?: Chosen<T>) =>
    tableOf(all, items, { columns, paint, ...(chosen && { chosen }) });
  if (details !== undefined) {
    const { server, requests } = details;
    const procedures = server.stats.endpoints.map((endpoint): TopProcedure => ({
      ...endpoint,
      queue: server.stats.name,
      rates: undefined,
    }));
    const own = [
      ...table(SERVER_COLUMNS, [server]),
      "",
      ...table(PROCEDURE_COLUMNS, procedures.slice(0, Math.max(1, Math.floor(rows / 3)))),
      "",
    ];
    if (requests.length === 0) return [...own, "No requests are in hand"];
    const isChosen = (request: typeof requests[number]) => request === requests[selected];
    const list = table(REQUEST_COLUMNS, requests, { isChosen });
    return [...own, ...scrolled(list, selected, rows - own.length)];
  }
  const queues = [...view.queues].map(([name, counts]) => {
    const servers = view.servers.filter(({ stats }) => stats.name === name);
    return { name, servers, ...counts };
  });
  if (view.servers.length === 0 && queues.length === 0) return ["No server has answered yet"];
  const isChosen = (server: TopServer) => server === view.servers[selected];
  const isBad = ({ silentMs, stats }: TopServer) =>
    isSilent(silentMs) || stats.pools.some(({ crashed }) => crashed > 0);
  const servers = table(SERVER_COLUMNS, view.servers, { isChosen, isBad });
  // Each of the three has its part, and servers have what the others leave.
  const top = table(QUEUE_COLUMNS, queues).slice(0, Math.max(2, Math.floor(rows / 3)));
  const bottom = table(PROCEDURE_COLUMNS, view.procedures);
  const left = rows - top.length - 1;
  const shown = scrolled(
    servers,
    selected,
    Math.max(3, left - Math.min(bottom.length + 1, left / 3)),
  );
  return [...top, "", ...shown, "", ...bottom];
}

/** The title, and as many lines as fit, among them the one that is chosen. */
function scrolled(lines: readonly string[], selected: number, room: number): string[] {
  const [title = "", ...rest] = lines;
  const count = Math.max(1, Math.floor(room) - 1);
  const from = Math.min(Math.max(0, selected - count + 1), Math.max(0, rest.length - count));
  return [title, ...rest.slice(from, from + count)];
}

type Queue = TopView["queues"] extends ReadonlyMap<string, infer Counts>
  ? Counts & { readonly name: string; readonly servers: readonly TopServer[] }
  : never;

const QUEUE_COLUMNS: readonly Column<Queue>[] = [
  { title: "QUEUE", rank: 9, most: 30, text: ({ name }) => name },
  { title: "SERVERS", rank: 8, isRight: true, text: ({ servers }) => String(servers.length) },
  { title: "CONSUMERS", rank: 3, isRight: true, text: ({ consumers }) => String(consumers ?? "?") },
  { title: "READY", rank: 7, isRight: true, text: ({ ready }) => String(ready ?? "?") },
  { title: "PARKED", rank: 6, isRight: true, text: ({ parked }) => String(parked ?? "-") },
  { title: "REQ/S", rank: 5, isRight: true, text: ({ servers }) => rateOf(ratesOf(servers)) },
  { title: "ERR/S", rank: 4, isRight: true, text: ({ servers }) => errorsOf(ratesOf(servers)) },
];

function ratesOf(servers: readonly TopServer[]): Rates | undefined {
  const rates = servers.flatMap(({ rates }) => rates ?? []);
  return rates.length === 0 ? undefined : sumOf(rates);
}

const SERVER_COLUMNS: readonly Column<TopServer>[] = [
  { title: "SERVER", rank: 9, most: 30, text: ({ stats }) => `${stats.name}/${stats.id}` },
  { title: "HOST", rank: 2, most: 16, text: ({ stats }) => stats.host ?? "-" },
  { title: "STATE", rank: 8, text: stateOf },
  {
    title: "SLOTS",
    rank: 7,
    text: ({ stats }, width) => barOf(slotsOf(stats), width),
    bar: [8, 30],
  },
  { title: "IN HAND", rank: 4, isRight: true, text: ({ stats }) => String(stats.inHand) },
  { title: "REQ/S", rank: 6, isRight: true, text: ({ rates }) => rateOf(rates) },
  { title: "ERR/S", rank: 5, isRight: true, text: ({ rates }) => errorsOf(rates) },
  { title: "P99", rank: 3, isRight: true, text: ({ stats }) => msOf(slowest(stats)) },
  { title: "VERSION", rank: 1, text: ({ stats }) => stats.version },
];

const PROCEDURE_COLUMNS: readonly Column<TopProcedure>[] = [
  { title: "PROCEDURE", rank: 9, most: 40, text: ({ queue, name }) => `${queue}/${name}` },
  { title: "IN HAND", rank: 5, isRight: true, text: ({ inHand }) => String(inHand) },
  { title: "REQ/S", rank: 8, isRight: true, text: ({ rates }) => rateOf(rates) },
  { title: "ERR/S", rank: 4, isRight: true, text: ({ rates }) => errorsOf(rates) },
  { title: "P50", rank: 6, isRight: true, text: ({ p50 }) => msOf(p50) },
  { title: "P95", rank: 3, isRight: true, text: ({ p95 }) => msOf(p95) },
  { title: "P99", rank: 7, isRight: true, text: ({ p99 }) => msOf(p99) },
];

const REQUEST_COLUMNS: readonly Column<
  NonNullable<TopView["details"]>["requests"][number]
>[] = [
  { title: "REQUEST", rank: 9, text: ({ id }) => id },
  { title: "PROCEDURE", rank: 8, most: 30, text: ({ procedure }) => procedure },
  { title: "STATE", rank: 6, text: ({ state }) => state },
  { title: "WORKER", rank: 4, isRight: true, text: ({ worker }) => String(worker ?? "-") },
  { title: "FOR", rank: 7, isRight: true, text: ({ forMs }) => formatDuration(forMs) },
  { title: "PROGRESS", rank: 5, isRight: true, text: ({ progress }) => String(progress ?? "-") },
  { title: "CALLER", rank: 3, text: ({ caller }) => caller ?? "-" },
  { title: "ATTEMPT", rank: 2, isRight: true, text: ({ attempt }) => String(attempt) },
];

/** A server that answers each time may still be a little late. */
function isSilent(silentMs: number): boolean {
  return silentMs > 2_500;
}

function stateOf({ stats, silentMs }: TopServer): string {
  if (isSilent(silentMs)) return `silent ${Math.round(silentMs / 1_000)} s`;
  const crashed = stats.pools.reduce((sum, pool) => sum + pool.crashed, 0);
  return crashed > 0 ? `${stats.state}, ${crashed} crashed` : stats.state;
}

/** How many places there are for work, and how many are taken. */
export function slotsOf(
  { pools, inHand, prefetch }: TopServer["stats"],
): { readonly busy: number; readonly all: number } {
  const all = pools.reduce((sum, { workers, crashed }) => sum + workers + crashed, 0);
  if (all === 0) return { busy: inHand, all: Math.max(prefetch, inHand) };
  return { busy: pools.reduce((sum, { busy }) => sum + busy, 0), all };
}

function barOf({ busy, all }: { busy: number; all: number }, width: number): string {
  const words = ` ${busy}/${all}`;
  const room = Math.max(1, width - words.length - 2);
  const filled = all === 0 ? 0 : Math.round(Math.min(1, busy / all) * room);
  return `[${"#".repeat(filled)}${"-".repeat(room - filled)}]${words}`;
}

function slowest({ endpoints }: TopServer["stats"]): number {
  return Math.max(0, ...endpoints.map(({ p99 }) => p99));
}

function rateOf(rates: Rates | undefined): string {
  return rates === undefined ? "-" : roundOf(rates.requests);
}

function errorsOf(rates: Rates | undefined): string {
  return rates === undefined ? "-" : roundOf(rates.errors);
}

function roundOf(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : String(Math.round(value));
}

function msOf(ms: number): string {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms));
}
