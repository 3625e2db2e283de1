/**
 * What clients and servers have in common when they connect to the broker.
 *
 * @module
 */

/** The broker's URL, or the URLs of a cluster's nodes, tried in turn: see `nodeOrder`. */
export type BrokerUrl = string | URL | readonly (string | URL)[];

/**
 * Certificates for `amqps` URLs, as PEM text.
 *
 * @example An authority of one's own, and a certificate for a broker that demands one
 * ```ts ignore because it needs a broker and files
 * import { RpcClient, type TlsOptions } from "@warren/rpc";
 *
 * const tls: TlsOptions = {
 *   ca: await Deno.readTextFile("ca.crt"),
 *   cert: await Deno.readTextFile("client.crt"),
 *   key: await Deno.readTextFile("client.key"),
 * };
 * await using client = await RpcClient.connect("amqps://broker.example", { queue: "math", tls });
 * ```
 */
export interface TlsOptions {
  /**
   * Certificates of the authorities that may have signed the broker's, and of no others.
   *
   * @default {those that Deno trusts; see `--cert` and `DENO_TLS_CA_STORE`}
   */
  readonly ca?: string | undefined;
  /**
   * The client's certificate, and after it those of intermediate authorities; together with `key`.
   *
   * @default {none}
   */
  readonly cert?: string | undefined;
  /**
   * Private key of `cert`, not encrypted. It never appears in an error or event.
   *
   * @default {none}
   */
  readonly key?: string | undefined;
}

/** What a program logs in with. */
export interface Credentials {
  /**
   * The user's name. Brokers that take tokens read it from the token.
   *
   * @default {that of the URL}
   */
  readonly username?: string | undefined;
  /** The password, or a token. It never appears in an error or event. */
  readonly password: string;
  /**
   * When the password or token ends, in Unix milliseconds: it is asked for anew when three quarters
   * of its time have passed.
   *
   * @default {never}
   */
  readonly expiresAt?: number | undefined;
}

/** Options of the connection to the broker. */
export interface ConnectOptions {
  /**
   * Longest time until a node of the broker is connected, in milliseconds: each of several nodes has
   * as much. Setting up the queues has as much again.
   *
   * @default {10_000}
   */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * Heartbeat interval, in milliseconds: a multiple of 1000. A dead peer is noticed after two to
   * three of them. RabbitMQ's manual recommends 5 to 20 s.
   *
   * @default {10_000}
   */
  readonly heartbeatMs?: number | undefined;
  /**
   * Longest silence of the broker while it has messages to confirm, in milliseconds. After it the
   * connection is left for another one, as the node may hang. Time for which the broker says
   * that it blocks publishers does not count.
   *
   * @default {10_000}
   */
  readonly confirmTimeoutMs?: number | undefined;
  /**
   * Whether the first connection waits for a broker that cannot be reached yet, and how long at most,
   * in milliseconds: `true` is as long as it takes, or until `signal` aborts. Whatever else is wrong
   * is told at once. `reconnecting` tells of each pause.
   *
   * @default {false}
   */
  readonly waitForBroker?: boolean | number | undefined;
  /**
   * The order in which the nodes of a cluster are tried: `random`, so that clients and servers spread
   * over them, or as they are `given`.
   *
   * @default {"random"}
   */
  readonly nodeOrder?: "random" | "given" | undefined;
  /**
   * Name of the connection, as the broker's management interface shows it: 1 to 255 bytes.
   *
   * @default {such as "math server/consumer host:4242": queue, role, host, and process id. The host is
   * left out without `--allow-sys=hostname`}
   */
  readonly connectionName?: string | undefined;
  /**
   * What else the management interface shows of the connection, beside `product`, `version` and
   * `platform` or in place of them: 2048 bytes at most, names and values together.
   *
   * @default {{}}
   */
  readonly clientProperties?: Readonly<Record<string, string>> | undefined;
  /**
   * Certificates, if all URLs start with `amqps://`. The broker's certificate is always checked,
   * and its host name, too.
   *
   * @default {trusts the authorities that Deno trusts}
   */
  readonly tls?: TlsOptions | undefined;
  /**
   * Asked for the user's name and password, or token, at each connect, and again before what it gave
   * expires: a broker that takes tokens is told the new one, and the connection lives on. What it
   * throws counts as a broker that cannot be reached: it is asked again with the next attempt. It has
   * `connectTimeoutMs` to answer. What it gives is in no error and no event.
   *
   * @default {the user name and password of the URL}
   */
  readonly credentials?: (() => Credentials | Promise<Credentials>) | undefined;
  /** Aborts the attempt to connect. It does not close what is connected. */
  readonly signal?: AbortSignal | undefined;
}
