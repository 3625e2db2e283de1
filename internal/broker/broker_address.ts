/** Reads AMQP URLs, and shows them without their password. @module */

/** Certificates and a key as PEM text, checked. */
export interface BrokerTls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  /** Private key; never to be shown. */
  readonly key: string | undefined;
}

/** Where a broker is and how to log in, taken apart and checked. */
export interface BrokerAddress {
  /** `amqps` means TLS. */
  readonly protocol: "amqp" | "amqps";
  /** Host name or IP address, without brackets. */
  readonly hostname: string;
  /** TCP port. */
  readonly port: number;
  /** User name; `guest` if the URL has none. */
  readonly username: string;
  /** Password; never to be shown. */
  readonly password: string;
  /** Virtual host; `/` if the URL has none. */
  readonly vhost: string;
  /** What TLS is to use instead of Deno's defaults. */
  readonly tls?: BrokerTls;
}

/**
 * Takes an AMQP URL apart. Source: the AMQP URI specification of RabbitMQ. Query parameters are
 * refused rather than ignored: what they could set has an option.
 *
 * @param url Such as `amqp://user:password@host:5672/vhost`.
 * @returns The parts.
 * @throws {TypeError} If it is not an AMQP URL; the message does not repeat the password.
 */
export function parseBrokerUrl(url: string | URL): BrokerAddress {
  const parsed = parseUrl(String(url));
  const protocol = parsed.protocol.slice(0, -1);
  if (protocol !== "amqp" && protocol !== "amqps") {
    throw new TypeError(
      `Cannot connect as the URL must start with "amqp://" or "amqps://": it starts with "${protocol}:"`,
    );
  }
  if (parsed.hostname === "") throw new TypeError("Cannot connect as the URL names no host");
  if (parsed.search !== "") {
    throw new TypeError(
      "Cannot connect as the URL has query parameters: use the options of connect() or listen()",
    );
  }
  return {
    protocol,
    hostname: parsed.hostname.replace(/^\[|\]$/g, ""),
    port: parsed.port === "" ? (protocol === "amqp" ? 5672 : 5671) : Number(parsed.port),
    username: decode(parsed.username, "user name") || "guest",
    password: decode(parsed.password, "password") || (parsed.username === "" ? "guest" : ""),
    vhost: decode(parsed.pathname.slice(1), "virtual host") || "/",
  };
}

/**
 * Shows an address as people write it, without user and password.
 *
 * @param address The address.
 * @returns Such as `127.0.0.1:5672 (virtual host "/")`.
 */
export function describeAddress(address: BrokerAddress): string {
  const { hostname, port, vhost } = address;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${host}:${port} (virtual host "${vhost}")`;
}

function parseUrl(url: string): URL {
  try {
    return new URL(url);
  } catch {
    // The cause repeats the whole URL, password included, so it is left out.
    throw new TypeError(
      url === ""
        ? "Cannot connect as the URL is empty"
        : 'Cannot connect as the URL is not valid: write "amqp://user:password@host:5672/vhost" ' +
          "and percent-encode special characters in the user name and password",
    );
  }
}

function decode(part: string, what: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new TypeError(`Cannot connect as the ${what} in the URL is not percent-encoded rightly`);
  }
}
