/** Places where no broker can be had, one of each kind, and who counts how often they are tried. @module */

import type { TlsNode } from "../../tools/brokers/tls_node.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";

/** Who may not come in. */
export interface Login {
  readonly user: string;
  readonly password: string;
  /** A virtual host that the user may not use. */
  readonly forbiddenVhost: string;
}

/** Where no broker can be had, and what whoever tries must hear. */
export interface BadUrl {
  readonly name: string;
  /** The nodes to try. */
  readonly urls: readonly string[];
  readonly code: "access-refused" | "misconfigured" | "unreachable";
  /** On the way to each node that can be reached. */
  readonly proxies: readonly FaultProxy[];
}

/** Places of all kinds; disposing of them closes what listens there. */
export class BadUrls implements AsyncDisposable {
  readonly all: readonly BadUrl[];
  readonly #stack = new AsyncDisposableStack();

  private constructor(broker: TlsNode, { user, password, forbiddenVhost }: Login) {
    const login = `${user}:${encodeURIComponent(password)}`;
    const plain = broker.node.url;
    const silent = this.#listenInSilence();
    const http = this.#serveHttp();
    const to = (target: string, code: BadUrl["code"], change: UrlChange = {}) => {
      const proxy = this.#stack.use(FaultProxy.start(target));
      const { protocol = "amqp", login: as = login, path = "" } = change;
      return {
        code,
        urls: [`${protocol}://${as}@${new URL(proxy.url).host}${path}`],
        proxies: [proxy],
      };
    };
    const both = (one: ReturnType<typeof to>, other: ReturnType<typeof to>) => ({
      code: one.code,
      urls: [...one.urls, ...other.urls],
      proxies: [...one.proxies, ...other.proxies],
    });
    const nowhere = (host: string) =>
      ({ code: "unreachable", urls: [`amqp://${login}@${host}`], proxies: [] }) as const;
    const wrong = () => to(plain, "access-refused", { login: `${login}wrong` });
    const places = {
      "wrong password": wrong(),
      "wrong password, two nodes": both(wrong(), wrong()),
      "unknown user": to(plain, "access-refused", { login: login.replace(user, "nobody") }),
      "missing virtual host": to(plain, "access-refused", { path: "/none" }),
      "forbidden virtual host": to(plain, "access-refused", { path: `/${forbiddenVhost}` }),
      "no such host": nowhere("no-such-host.invalid"),
      "nothing that listens": nowhere(`127.0.0.1:${closedPort()}`),
      "TLS to a port without": to(plain, "misconfigured", { protocol: "amqps" }),
      // Such a port only hangs up, as a node does that is just starting.
      "no TLS to a port with": to(broker.url(), "unreachable"),
      "untrusted certificate": to(broker.url(), "misconfigured", { protocol: "amqps" }),
      "silent host": to(silent, "unreachable"),
      "silent hosts": both(to(silent, "unreachable"), to(silent, "unreachable")),
      "silent host, TLS": to(silent, "unreachable", { protocol: "amqps" }),
      "HTTP server": to(http, "misconfigured"),
    };
    this.all = Object.entries(places).map(([name, place]) => ({ name, ...place }));
  }

  /** Opens them. */
  static open(broker: TlsNode, login: Login): BadUrls {
    return new BadUrls(broker, login);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  /** The kernel accepts, and nobody ever answers. */
  #listenInSilence(): string {
    const listener = this.#stack.use(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
    return `tcp://127.0.0.1:${listener.addr.port}`;
  }

  #serveHttp(): string {
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    const server = this.#stack.use(Deno.serve(options, () => new Response()));
    return `tcp://127.0.0.1:${server.addr.port}`;
  }
}

interface UrlChange {
  readonly protocol?: "amqp" | "amqps";
  readonly login?: string;
  readonly path?: string;
}

function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
