import { assertEquals, assertFalse, assertRejects } from "../../../deps/std_assert.ts";
import { RpcClient, RpcServer } from "../../../mod.ts";
import { CertificateAuthority, hasOpenssl } from "../../../tools/brokers/certificates.ts";

const ignore = !hasOpenssl() && Deno.env.get("WARREN_REQUIRE_RABBITMQ") !== "1";

/** The complaint of client and server, which must come before they connect. */
async function complaint(tls: object, url: string | string[] = "amqps://no.invalid") {
  const options = { queue: "q", handlers: { echo: () => {} }, tls };
  const { message, stack } = await assertRejects(() => RpcClient.connect(url, options), TypeError);
  const server = await assertRejects(() => RpcServer.listen(url, options), TypeError);
  assertEquals(server.message, message);
  return { message, stack };
}

Deno.test({
  name: "TLS options are checked before anything connects",
  ignore,
  async fn() {
    using authority = await CertificateAuthority.create();
    const [one, two] = await Promise.all([authority.issue(), authority.issue()]);
    const ca = authority.certificate;
    const damaged = (pem: string) => pem.replace(/(-\n)[^]{40}/, "$1");
    const path =
      "give the text of the file, such as Deno.readTextFile() reads it, and not its path";
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
  },
});

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
