/** Explains in words why a TLS handshake failed. @module */

import type { BrokerAddress } from "./broker_address.ts";

const UNKNOWN_AUTHORITY_REGEXP =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)_\w+)$/;

/** What the broker says of the client's certificate: that there is none, or what is wrong with it. */
const CERTIFICATE_WANTED_REGEXP = /ALERT_CERTIFICATE_REQUIRED|CertificateRequired/;
const CERTIFICATE_REFUSED_REGEXP =
  /fatal alert: (\w*Certificate\w*|UnknownCA|DecryptError|AccessDenied)/;

/**
 * Tells why a TLS handshake failed, and what to do about it.
 *
 * @param code What Deno gives as the error's code.
 * @param message What it says.
 * @param address Where the attempt went.
 * @returns The reason, or `undefined` if TLS is not to blame.
 */
export function explainTlsError(
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
