import { assert, assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcServer } from "../../mod.ts";
import {
  CertificateAuthority,
  hasOpenssl,
  type KeyPair,
} from "../../tools/brokers/certificates.ts";
import { TlsNode } from "../../tools/brokers/tls_node.ts";
import { randomQueue } from "../helpers/broker.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { warren } from "../helpers/warren.ts";

const missing = hasOpenssl() ? undefined : "there is no openssl";

/** Writes files into a folder of this test. */
async function writeFiles(
  folder: string,
  { ca, strange, own }: { readonly ca: string; readonly strange: string; readonly own: KeyPair },
): Promise<(name: string) => string> {
  const files = { ca, strange, cert: own.cert, key: own.key };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  return (name) => `${folder}/${name}`;
}

async function openScene() {
  await using stack = new AsyncDisposableStack();
  const authority = stack.use(await CertificateAuthority.create());
  const stranger = stack.use(await CertificateAuthority.create());
  const own = await authority.issue();
  const broker = stack.use(
    await TlsNode.start({
      authority,
      certificate: await authority.issue({ hosts: ["IP:127.0.0.1"] }),
      demandsCertificate: true,
    }),
  );
  const folder = await Deno.makeTempDir({ prefix: "warren-cli-tls-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const ca = authority.certificate;
  const file = await writeFiles(folder, { ca, strange: stranger.certificate, own });
  const queue = randomQueue();
  const handlers = { echo: (value: unknown) => value };
  const tls = { ca, ...own };
  stack.use(await RpcServer.listen(broker.url(), { queue, handlers, tls, log: false }));
  const owned = stack.move();
  return { broker, file, queue, own, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test(rabbitmqTest("warren shows certificates, and checks the broker's", async (t) => {
  await using scene = await openScene();
  const { broker, queue, own, file } = scene;
  const call = (url: string, ...args: readonly string[]) =>
    warren(["call", queue, "echo", "1", ...args], url);
  const ca = ["--tls-ca", file("ca")];
  const pair = ["--tls-cert", file("cert"), "--tls-key", file("key")];
  const url = broker.url();
  const plain = url.replace("amqps:", "amqp:");
  const cases = [
    ["with both", url, [...ca, ...pair], 0, ""],
    [
      "of a strange authority",
      url,
      ["--tls-ca", file("strange"), ...pair],
      78,
      "none of --tls-ca has signed",
    ],
    ["of nobody who is known", url, pair, 78, "nobody known here has signed"],
    ["with none of its own", url, ca, 78, "it demands a certificate"],
    [
      "without the key",
      url,
      [...ca, ...pair.slice(0, 2)],
      64,
      "--tls-cert comes without --tls-key",
    ],
    [
      "with a key as a certificate",
      url,
      [...ca, "--tls-cert", file("key"), ...pair.slice(2)],
      64,
      "--tls-cert",
    ],
    ["without TLS", plain, [], 69, 'is for TLS ("amqps://")'],
    ["of TLS to what is without", plain, ca, 64, 'write "amqps://"'],
  ] as const;
  for (const [name, to, args, code, words] of cases) {
    await t.step(name, async () => {
      const { code: found, stdout, stderr } = await call(to, ...args);
      assertEquals([found, stdout], [code, code === 0 ? "1\n" : ""], stderr);
      assertStringIncludes(stderr, words);
      if (code !== 0) assertEquals(stderr.split("\n").length, 2, stderr);
      assert(!stderr.includes(own.key.split("\n")[1] ?? "-") && !stderr.includes("guest:guest"));
    });
  }
}, { missing }));
