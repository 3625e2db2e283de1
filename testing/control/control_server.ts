/** The control interface: HTTP on a loopback port, for programs in other languages. @module */

import { ControlBody } from "./control_body.ts";
import { CONTROL_ROUTES, ControlConflict } from "./control_routes.ts";
import type { ControlTarget } from "./control_target.ts";

const LOOPBACK = "127.0.0.1";
/** What stands in the header `host` of those who mean this machine. */
const HOSTS = /^(127\.0\.0\.1|localhost)(:\d+)?$/i;
const MAX_BODY_CHARS = 1_000_000;

/** Lets other programs steer a broker. */
export class ControlServer {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #closing: AbortController;

  private constructor(server: Deno.HttpServer<Deno.NetAddr>, closing: AbortController) {
    this.#server = server;
    this.#closing = closing;
  }

  /**
   * Listens on a port of 127.0.0.1, 0 for a free one.
   *
   * @throws {TypeError} If this is not Deno.
   * @throws {Error} If the port is taken.
   */
  static start(target: ControlTarget, port: number): ControlServer {
    if (!("Deno" in globalThis)) {
      throw new TypeError("Cannot open the control interface as it needs Deno: leave it out here");
    }
    const closing = new AbortController();
    try {
      const server = Deno.serve(
        { hostname: LOOPBACK, port, onListen() {} },
        (request) => answer(target, request, closing.signal),
      );
      return new ControlServer(server, closing);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      // As the AMQP port says it, with the number.
      const text = `listen EADDRINUSE: address already in use ${LOOPBACK}:${port}`;
      throw new Error(text, { cause: error });
    }
  }

  /** Where it listens. */
  get url(): string {
    return `http://${LOOPBACK}:${this.#server.addr.port}`;
  }

  /** Ends it, and the requests that wait for something. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#server.shutdown();
  }
}

async function answer(
  target: ControlTarget,
  request: Request,
  signal: AbortSignal,
): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const action = `${request.method} ${pathname}`;
  // A page in a browser must not steer a broker, by whatever name it reaches this port.
  if (request.headers.has("origin") || !HOSTS.test(request.headers.get("host") ?? "")) {
    const what = 'the header "origin" or "host" is foreign';
    return failure(403, `Cannot ${action} as only programs of this machine may: ${what}`);
  }
  const route = Object.hasOwn(CONTROL_ROUTES, action) ? CONTROL_ROUTES[action] : undefined;
  if (route === undefined) {
    return failure(404, `Cannot ${action} as there is no such request, see docs/testing.md: 404`);
  }
  try {
    const hasBody = request.method === "POST";
    const text = hasBody ? await request.text() : JSON.stringify(Object.fromEntries(searchParams));
    if (text.length > MAX_BODY_CHARS) {
      return failure(413, `Cannot ${action} as the body is too large: ${text.length} characters`);
    }
    const body = new ControlBody(action, text, route.fields);
    const result: unknown = await route.run({ target, body, signal });
    return Response.json(result ?? {});
  } catch (error) {
    return failure(statusOf(error), error instanceof Error ? error.message : String(error));
  }
}

function statusOf(error: unknown): number {
  if (error instanceof ControlConflict) return 409;
  return error instanceof TypeError || error instanceof RangeError ? 400 : 500;
}

function failure(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
