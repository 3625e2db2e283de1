import { testUnless } from "../../helpers/features.ts";
import {
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "../../../deps/std_assert.ts";
import { resolveConnectOptions, VERSION } from "../../../internal/broker/connect_settings.ts";
import type { ConnectOptions } from "../../../mod.ts";
import config from "../../../deno.json" with { type: "json" };
import { RpcClient, RpcServer } from "../../../mod.ts";
import { CertificateAuthority, hasOpenssl } from "../../../tools/brokers/certificates.ts";

const noOpenssl = hasOpenssl() || Deno.env.get("WARREN_REQUIRE_RABBITMQ") === "1"
  ? undefined
  : "there is no openssl";

/** The complaint of client and server, which must come before they connect. */
async function complaint(tls: object, url: string | string[] = "amqps://no.invalid") {
  const options = { queue: "q", handlers: { echo: () => {} }, tls };
  const { message, stack } = await assertRejects(() => RpcClient.connect(url, options), TypeError);
  const server = await assertRejects(() => RpcServer.listen(url, options), TypeError);
  assertEquals(server.message, message);
  return { message, stack };
}

Deno.test(testUnless(noOpenssl, "TLS options are checked before anything connects", async () => {
  using authority = await CertificateAuthority.create();
  const [one, two] = await Promise.all([authority.issue(), authority.issue()]);
  const ca = authority.certificate;
  const damaged = (pem: string) => pem.replace(/(-\n)[^]{40}/, "$1");
  const path = "give the text of the file, such as Deno.readTextFile() reads it, and not its path";
  const other = "the text between its BEGIN and END is something else, or damaged";
  const rows: [object, string][] = [
    [{ ca: "/etc/ssl/ca.crt" }, `"tls.ca" is not a certificate in PEM: ${path}`],
    [{ ca: "" }, `"tls.ca" is not a certificate in PEM: ${path}`],
    [{ ca: [ca] }, `"tls.ca" is not a certificate in PEM: ${path}`],
    [{ ca: one.key }, `"tls.ca" is not a certificate in PEM: ${other}`],
    [{ ca: damaged(ca) }, `"tls.ca" is not a certificate in PEM: ${other}`],
    [{ ca: ca + damaged(ca) }, `"tls.ca" is not a certificate in PEM: ${other}`],
    [{ cert: one.cert }, '"tls.cert" comes without "tls.key": give both or neither'],
    [{ key: one.key }, '"tls.key" comes without "tls.cert": give both or neither'],
    [{ cert: one.key, key: one.key }, `"tls.cert" is not a certificate in PEM: ${other}`],
    [{ cert: one.cert, key: "key.pem" }, `"tls.key" is not a private key in PEM: ${path}`],
    [{ cert: one.cert, key: one.cert }, `"tls.key" is not a private key in PEM: ${other}`],
    [
      { cert: one.cert, key: damaged(one.key) },
      `"tls.key" is not a private key in PEM: ${other}`,
    ],
    [
      { cert: one.cert, key: two.key },
      '"tls.key" is not the key of "tls.cert": give the pair, the client\'s own certificate first',
    ],
    [
      { cert: one.cert, key: one.key.replaceAll("PRIVATE", "ENCRYPTED PRIVATE") },
      '"tls.key" is encrypted: decrypt it with "openssl pkey" when you deploy it',
    ],
  ];
  for (const [tls, reason] of rows) {
    const { message, stack } = await complaint(tls);
    assertEquals(message, `Cannot connect as ${reason}`);
    for (const { key } of [one, two]) {
      assertFalse(stack?.includes(key.split("\n")[1] ?? ""), stack);
    }
  }
}));

Deno.test("TLS options are refused for a URL without TLS", async () => {
  for (const url of ["amqp://no.invalid", ["amqps://no.invalid", "amqp://no.invalid"]]) {
    const { message } = await complaint({}, url);
    assertEquals(
      message,
      'Cannot connect as "tls" is for TLS and the URL starts with "amqp://": write "amqps://", with ' +
        "the port of the broker's TLS listener",
    );
  }
});

Deno.test("resolveConnectOptions() tells callers without types what is wrong", () => {
  const url = "amqp://127.0.0.1";
  const complaintOf = (url: unknown, options: object = {}) =>
    assertThrows(() => resolveConnectOptions(url as string, options, "test"), Error).message;
  const subject = (name: string, kind: string) =>
    `Cannot connect as "${name}" must be ${kind}: current value is`;
  const kindOfUrl = "a text, a URL or a list of them";
  assertEquals(complaintOf(undefined), `${subject("url", kindOfUrl)} undefined`);
  assertEquals(complaintOf([url, null]), `${subject("url", kindOfUrl)} null`);
  assertEquals(complaintOf({ url }), `${subject("url", kindOfUrl)} an object`);
  const rows: [object, string][] = [
    [
      { connectTimeoutMs: "5" },
      `${subject("connectTimeoutMs", "an integer from 1 to 600000")} "5"`,
    ],
    [{ heartbeatMs: 1_500 }, `${subject("heartbeatMs", "a multiple of 1000")} 1500`],
    [{ connectionName: 5 }, `${subject("connectionName", "a text of 1 to 255 bytes")} 5`],
    [
      { connectionName: "ä".repeat(128) },
      `${subject("connectionName", "a text of 1 to 255 bytes")} "${"ä".repeat(80)}"`,
    ],
    [
      { clientProperties: { team: "ä".repeat(1_023) } },
      'Cannot connect as "clientProperties" has 2050 bytes: the limit is 2048',
    ],
    [{ clientProperties: { team: 5 } }, `${subject("clientProperties.team", "a text")} 5`],
    [{ nodeOrder: "sorted" }, `${subject("nodeOrder", 'one of "random", "given"')} "sorted"`],
    [{ waitForBroker: -1 }, `${subject("waitForBroker", "a number of at least 0")} -1`],
    [{ waitForBroker: "yes" }, `${subject("waitForBroker", "a number of at least 0")} "yes"`],
    [{ tls: "PEM" }, 'Cannot connect as "tls" must be an object with "ca", "cert" or "key"'],
    [{ signal: "soon" }, `${subject("signal", "an AbortSignal")} "soon"`],
  ];
  for (const [options, message] of rows) assertEquals(complaintOf(url, options), message);
});

/** The ports of some nodes in the order in which they are tried. */
function portsOf(options: ConnectOptions): number[] {
  const urls = [1, 2, 3, 4].map((port) => `amqp://127.0.0.1:${port}`);
  return resolveConnectOptions(urls, options, "test").addresses.map(({ port }) => port);
}

Deno.test("resolveConnectOptions() spreads clients over the nodes of a cluster", () => {
  const firsts = new Map<number | undefined, number>();
  for (let client = 0; client < 400; client++) {
    const ports = portsOf({});
    assertEquals(ports.toSorted(), [1, 2, 3, 4]);
    firsts.set(ports[0], (firsts.get(ports[0]) ?? 0) + 1);
  }
  // Of 400 clients each node is the first of about 100: 50 would be 5.8 standard deviations off.
  assertEquals([1, 2, 3, 4].filter((port) => (firsts.get(port) ?? 0) < 50), []);
  assertEquals(portsOf({ nodeOrder: "given" }), [1, 2, 3, 4]);
});

Deno.test("VERSION is that of the package", () => {
  assertEquals(VERSION, config.version);
});
