/** Explains in words why a connection could not be opened, and whether to try again. @module */

import { RpcError } from "../../errors.ts";
import { type BrokerAddress, describeAddress } from "./broker_address.ts";
import { toPrintable } from "../text.ts";
import { TimeLimitError } from "../time.ts";
import { AMQPLIB_VERSION, AmqplibInsideError } from "./amqplib_inside.ts";

/**
 * Turns what Deno or amqplib said about a failed attempt to connect into an error that names the
 * place and the next step. Only `unreachable` errors are worth another try, and a limit of connections.
 *
 * @param error What was thrown.
 * @param address Where the attempt went.
 * @returns The error for the user: `unreachable`, or `access-refused` or `misconfigured`.
 */
export function explainConnectError(error: unknown, address: BrokerAddress): RpcError {
  const cause = error instanceof Error ? error : new Error(String(error));
  const [code, reason] = diagnose(cause, address);
  return new RpcError(
    code,
    `Cannot connect to the broker at ${describeAddress(address)} as ${reason}`,
    { cause, retryable: code === "unreachable" || isPassing(cause) },
  );
}

/** Others that connect to the same virtual host, or as the same user, may leave. */
function isPassing({ message }: Error): boolean {
  return LIMIT_REGEXP.test(message);
}

/** A broker has let us in, and then did not do in time what a session takes. */
export class SetUpLimitError extends Error {
  override readonly name = "SetUpLimitError";

  constructor(cause: TimeLimitError) {
    super(cause.message, { cause });
  }
}

type Diagnosis = readonly [
  code: "unreachable" | "access-refused" | "misconfigured",
  reason: string,
];

/** What the broker says of a user who may log in but not do this; from 3.11 on with the verb. */
const REFUSED_ACCESS_REGEXP = /((?:\w+ )?access to \w+ '[^']*') in vhost/;

/** What it says of a virtual host, a user or a node that has as many connections as it may. */
const LIMIT_REGEXP = /(?:user |node )?connection limit \((\d+)\) is reached/;

/** What it says of a virtual host that it has and cannot use. */
const VHOST_DOWN_REGEXP = /vhost '[^']*' is down/;

const UNKNOWN_AUTHORITY_REGEXP =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)_\w+)$/;

/** What the broker says of the client's certificate: that there is none, or what is wrong with it. */
const CERTIFICATE_WANTED_REGEXP = /ALERT_CERTIFICATE_REQUIRED|CertificateRequired/;
const CERTIFICATE_REFUSED_REGEXP =
  /fatal alert: (\w*Certificate\w*|UnknownCA|DecryptError|AccessDenied)/;

function diagnose(cause: Error, address: BrokerAddress): Diagnosis {
  const { message } = cause;
  const code = "code" in cause ? String(cause.code) : "";
  if (cause instanceof AmqplibInsideError) {
    return [
      "misconfigured",
      `${cause.reason}: remove what replaces "npm:amqplib@${AMQPLIB_VERSION}"`,
    ];
  }
  if (cause.name === "NotCapable" || /Requires (net|sys|env|read) access/.test(message)) {
    return ["misconfigured", `Deno denies it: add "--allow-net=${hostAndPort(address)}"`];
  }
  const [, refusedAccess] = REFUSED_ACCESS_REGEXP.exec(message) ?? [];
  if (refusedAccess !== undefined) {
    return [
      "access-refused",
      `the broker refuses user "${address.username}" ${refusedAccess}: see ` +
      `"rabbitmqctl list_user_permissions"`,
    ];
  }
  if (message.includes("ACCESS-REFUSED") || message.includes("ACCESS_REFUSED")) {
    return [
      "access-refused",
      `the broker refuses user "${address.username}": check the user name and password ` +
      `("guest" is only let in from the broker's own machine)`,
    ];
  }
  const refusedHost = explainRefusedHost(message, address);
  if (refusedHost !== undefined) return ["access-refused", refusedHost];
  if (VHOST_DOWN_REGEXP.test(message)) {
    return ["unreachable", `virtual host "${address.vhost}" is down: see the log of the broker`];
  }
  const tlsFailure = explainTlsError(code, message, address);
  if (tlsFailure !== undefined) return ["misconfigured", tlsFailure];
  if (/maxFrameSize|Invalid frame|Unknown frame type/.test(message)) {
    return ["misconfigured", "what answers there does not speak AMQP 0-9-1: check the port"];
  }
  return ["unreachable", describeNetworkError(cause, code, address)];
}

/** Tells why a user who may log in is not let into a virtual host; `undefined` if that is not it. */
function explainRefusedHost(
  message: string,
  { vhost, username }: BrokerAddress,
): string | undefined {
  const [limit, count] = LIMIT_REGEXP.exec(message) ?? [];
  if (limit !== undefined) {
    const what = limit.startsWith("user")
      ? `user "${username}"`
      : limit.startsWith("node")
      ? "the node"
      : `virtual host "${vhost}"`;
    return `${what} has as many connections as it may, ${count}: close others or raise the limit`;
  }
  if (/vhost .* not found/.test(message)) {
    return `virtual host "${vhost}" does not exist: see "rabbitmqctl list_vhosts"`;
  }
  if (/access to vhost '[^']*' refused for user '[^']*'$/.test(message)) {
    return `user "${username}" may not use virtual host "${vhost}": ` +
      `see "rabbitmqctl list_permissions -p ${vhost}"`;
  }
  // Where nobody hears what the broker says.
  if (!message.includes("Expected ConnectionOpenOk")) return undefined;
  return `virtual host "${vhost}" does not exist, or user "${username}" may not use it, or there ` +
    "are as many connections as there may be: see the log of the broker";
}

/**
 * Tells why a TLS handshake failed, and what to do about it.
 *
 * @param code What Deno gives as the error's code.
 * @param message What it says.
 * @param address Where the attempt went.
 * @returns The reason, or `undefined` if TLS is not to blame.
 */
function explainTlsError(
  code: string,
  message: string,
  { hostname, tls }: BrokerAddress,
): string | undefined {
  if (UNKNOWN_AUTHORITY_REGEXP.test(code)) {
    return tls?.ca === undefined
      ? 'nobody known here has signed its certificate: give the certificate of its authority as "tls.ca"'
      : 'none of "tls.ca" has signed its certificate: give the certificate of its authority';
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `its certificate is for other hosts than "${hostname}": put one of them into the URL, or ` +
      `"${hostname}" into the certificate's subjectAltName`;
  }
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired: renew it";
  if (code === "CERT_NOT_YET_VALID") {
    return "its certificate is not valid yet: check the clocks on both sides";
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    return 'the port does not speak TLS: write "amqp://", or the port of the broker\'s TLS listener, ' +
      "which is 5671 most often";
  }
  if (CERTIFICATE_WANTED_REGEXP.test(`${code} ${message}`)) {
    return 'it demands a certificate of the client: give "tls.cert" and "tls.key"';
  }
  const [, complaint] = CERTIFICATE_REFUSED_REGEXP.exec(message) ?? [];
  if (complaint !== undefined) {
    return `it refuses "tls.cert" (${complaint}): give one that an authority of the broker has signed`;
  }
  return /SSL|TLS|certificate|CERT_/i.test(`${code} ${message}`)
    ? `TLS failed (${code} ${message}): see the log of the broker`
    : undefined;
}

function describeNetworkError(cause: Error, code: string, address: BrokerAddress): string {
  const message = toPrintable(cause.message);
  if (code === "ECONNREFUSED") return "nothing listens there: start RabbitMQ or correct the URL";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "there is no host of that name";
  if (cause instanceof SetUpLimitError) {
    return "it let us in and then did not answer in time: if it goes on, the cluster may have no " +
      'majority, as too many of its nodes are down: see "rabbitmqctl cluster_status"';
  }
  if (cause instanceof TimeLimitError || code === "ETIMEDOUT") return "it did not answer in time";
  if (code === "ECONNRESET" || message.includes("closed abruptly")) {
    return `it hung up before it answered (${message}): if it goes on, ${closedHint(address)}`;
  }
  return `the connection failed: ${message}`;
}

/** A port that wants TLS, or a certificate, hangs up on those who come without. */
function closedHint({ protocol }: BrokerAddress): string {
  return protocol === "amqp"
    ? 'check whether the port is for TLS ("amqps://"), and see the log of the broker'
    : 'check whether the broker demands a certificate ("tls.cert"), and see its log';
}

function hostAndPort({ hostname, port }: BrokerAddress): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
