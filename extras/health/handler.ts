/** Answers probes over HTTP. @module */

import process from "node:process";
import { checkOptions, checkType } from "../../internal/check.ts";
import { CallHistory, recorderOf, watch } from "./call_history.ts";
import { loadOf, pagePolicy, type PageStats, renderPage } from "./page.ts";
import type { Load } from "./recorder.ts";
import { health, type HealthParts, type HealthReport } from "./report.ts";

/** Options of {@linkcode healthHandler}. */
export interface HealthHandlerOptions {
  /**
   * Whether others than this machine may ask, as the probes of Kubernetes do. They are still told no
   * more than a word, unless `auth` lets them.
   *
   * @default {false}
   */
  readonly allowRemote?: boolean;
  /**
   * Who may see more than a word: `?verbose`, `/stats` and `/metrics`. Whoever it does not return
   * `true` for gets 401.
   *
   * @default {everybody on this machine who asks by one of its names, and nobody else}
   */
  readonly auth?: (request: Request) => boolean | Promise<boolean>;
  /**
   * Gives the text of `/metrics`, in the format of Prometheus.
   *
   * @default {none: 404}
   */
  readonly metrics?: () => string | Promise<string>;
  /**
   * Whether `/` is a page of the states and counts for a browser, which asks again every 5 s. With a
   * {@linkcode CallHistory} it has charts of the last ten minutes, too. It works without scripts.
   *
   * @default {false}
   */
  readonly page?: boolean | CallHistory;
}

/** Who asks, as `Deno.serve` says it. */
export interface HealthRequestInfo {
  /** The address at the other end. */
  readonly remoteAddr: object;
}

/** Answers a request. */
export type HealthHandler = (request: Request, info?: HealthRequestInfo) => Promise<Response>;

/** A request, and who may be told what. */
interface Asked {
  readonly request: Request;
  /** Whether they are on this machine. */
  readonly isLocal: boolean;
  /** Whether they came by a file, and not by a name that may be anybody's. */
  readonly isByFile: boolean;
}

/**
 * Whether a name is one of this machine's, as far as a browser on it can tell: a page of another site
 * whose name leads here is answered as that site, and could read all.
 */
function isLocalName(hostname: string): boolean {
  return /^(\[::1\]|127(\.\d+){3}|(.+\.)?localhost)$/.test(hostname);
}

const STATUS_TYPE = "application/health+json";
const STATS_TYPE = "application/json";
const PAGE_TYPE = "text/html; charset=utf-8";
/** Source: Prometheus' text format, version 0.0.4. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Makes a handler for `Deno.serve`:
 *
 * - `/livez`: 200, or 503 if only a new start can help. The broker never matters.
 * - `/readyz`: 200, or 503 while a part does not do its work; at once when a server is closed.
 *   `?verbose` says which part, and why.
 * - `/stats`: the counts of all parts, as JSON.
 * - `/metrics`: whatever the option `metrics` gives.
 * - `/`: a page of all of it, with the option `page`.
 *
 * @param parts The parts, or what gives them at the time of a request.
 * @param options Who may ask for what.
 * @returns The handler. It answers this machine only, unless told otherwise.
 * @throws {TypeError} If an option is of the wrong kind.
 *
 * @example Probes of a server
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { healthHandler } from "@warren/rpc/health";
 *
 * const handlers = { ping: () => "pong" };
 * const math = await RpcServer.listen("amqp://127.0.0.1", { queue: "math", handlers });
 * Deno.serve({ hostname: "127.0.0.1", port: 8080 }, healthHandler({ math }));
 * ```
 */
export function healthHandler(
  parts: HealthParts | (() => HealthParts),
  options: HealthHandlerOptions = {},
): HealthHandler {
  checkOptions("answer probes", options);
  const { allowRemote = false, auth, metrics, page = false } = options;
  const isHistory = page instanceof CallHistory;
  checkType("answer probes", { allowRemote, ...(!isHistory && { page }) }, "boolean");
  checkType("answer probes", { auth, metrics }, "function");
  const partsOf = typeof parts === "function" ? parts : () => parts;
  if (isHistory) {
    watch(page, () => {
      const parts = partsOf();
      // Since when a pool is as it is counts from the first time that somebody looks.
      health(parts);
      return loadsOf(parts);
    });
  }
  const handler = new Handler(partsOf, options);
  return (request, info) => handler.answer(request, info);
}

class Handler {
  readonly #parts: () => HealthParts;
  readonly #options: HealthHandlerOptions;

  constructor(parts: () => HealthParts, options: HealthHandlerOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async answer(request: Request, info?: HealthRequestInfo): Promise<Response> {
    const response = await this.#answer({
      request,
      isLocal: isLocal(info),
      isByFile: isByFile(info),
    });
    response.headers.set("cache-control", "no-store");
    return request.method === "HEAD" ? new Response(null, response) : response;
  }

  async #answer(asked: Asked): Promise<Response> {
    const { request: { method, url }, isLocal } = asked;
    if (method !== "GET" && method !== "HEAD") return refuse(405, "Only GET and HEAD are answered");
    if (!isLocal && this.#options.allowRemote !== true) {
      return refuse(403, 'Only this machine is answered: set "allowRemote"');
    }
    const { pathname, searchParams } = new URL(url);
    switch (pathname) {
      case "/livez":
      case "/readyz":
        if (searchParams.has("verbose") && !await this.#mayLook(asked)) return unauthorized();
        return status(pathname, health(this.#parts()), searchParams.has("verbose"));
      case "/stats":
        if (!await this.#mayLook(asked)) return unauthorized();
        return reply(200, STATS_TYPE, JSON.stringify(statsOf(this.#parts())));
      case "/metrics":
        if (this.#options.metrics === undefined) break;
        if (!await this.#mayLook(asked)) return unauthorized();
        return reply(200, METRICS_TYPE, await this.#options.metrics());
      case "/":
        if ((this.#options.page ?? false) === false) break;
        if (!await this.#mayLook(asked)) return unauthorized();
        return this.#page(searchParams.get("procedure") ?? undefined);
    }
    return refuse(404, "There are /livez, /readyz, /stats and perhaps /metrics");
  }

  #page(chosen: string | undefined): Response {
    const parts = this.#parts();
    const { page } = this.#options;
    const recorder = page instanceof CallHistory ? recorderOf(page) : undefined;
    for (const [name, load] of loadsOf(parts)) recorder?.sample(name, load);
    const nonce = crypto.randomUUID();
    const content = { report: health(parts), stats: countsOf(parts), recorder, chosen };
    const response = reply(200, PAGE_TYPE, renderPage(content, nonce));
    response.headers.set("content-security-policy", pagePolicy(nonce));
    return response;
  }

  /** Whoever is not let in for certain is not. */
  async #mayLook({ request, isLocal, isByFile }: Asked): Promise<boolean> {
    const { auth } = this.#options;
    if (auth === undefined) {
      return isLocal && (isByFile || isLocalName(new URL(request.url).hostname));
    }
    try {
      return await auth(request) === true;
    } catch {
      return false;
    }
  }
}

function status(pathname: string, { live, ready, checks }: HealthReport, isVerbose: boolean) {
  const isGood = pathname === "/livez" ? live : ready;
  const warns = checks.some(({ status }) => status === "warn");
  const word = !isGood ? "fail" : warns && pathname === "/readyz" ? "warn" : "pass";
  const body = { status: word, ...(isVerbose && { checks }) };
  return reply(isGood ? 200 : 503, STATUS_TYPE, JSON.stringify(body));
}

function statsOf(parts: HealthParts): object {
  const { rss, heapUsed } = process.memoryUsage();
  return {
    process: { pid: process.pid, uptimeSeconds: Math.round(process.uptime()), rss, heapUsed },
    parts: countsOf(parts),
  };
}

function countsOf(parts: HealthParts): PageStats {
  return Object.fromEntries(
    Object.entries(parts).map(([name, part]) => {
      if (part === undefined) return [name, { state: { name: "starting" } }];
      return [name, { ...("state" in part && { state: part.state }), ...part.stats() }];
    }),
  );
}

/** What each part has in hand. */
function loadsOf(parts: HealthParts): ReadonlyMap<string, Load> {
  const loads = new Map<string, Load>();
  for (const [name, part] of Object.entries(parts)) {
    const load = part && loadOf(part.stats());
    if (load !== undefined) loads.set(name, load);
  }
  return loads;
}

/** Who asks over a socket file is on this machine, and so is who has an address of the loopback. */
function isLocal(info: HealthRequestInfo | undefined): boolean {
  if (isByFile(info)) return true;
  const address: object = info?.remoteAddr ?? {};
  const host = "hostname" in address ? String(address.hostname) : "";
  return host === "::1" || /^(::ffff:)?127(\.\d+){3}$/.test(host);
}

function isByFile(info: HealthRequestInfo | undefined): boolean {
  const address: object = info?.remoteAddr ?? {};
  return "transport" in address && address.transport === "unix";
}

function reply(status: number, type: string, body: string): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

function refuse(status: number, text: string): Response {
  return reply(status, "text/plain; charset=utf-8", `${text}\n`);
}

function unauthorized(): Response {
  return refuse(401, "Only who is authorized sees more");
}
