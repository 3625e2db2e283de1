import { RpcClient, RpcError, RpcServer, type RpcState, type TlsOptions } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { randomQueue } from "../helpers/broker.ts";
import {
  CertificateAuthority,
  hasOpenssl,
  type KeyPair,
} from "../../tools/brokers/certificates.ts";
import { docCommands } from "../helpers/doc_commands.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { ToldServer } from "../helpers/told_server.ts";
import { TlsNode } from "../../tools/brokers/tls_node.ts";

const missing = hasOpenssl() ? undefined : "there is no openssl";

const LOOPBACK = ["DNS:localhost", "IP:127.0.0.1"];
const SECRET = "s3cret-p%40ss";

function tlsTest(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test(rabbitmqTest(name, fn, { missing }));
}

/** A call from a client to a server, both over TLS. */
async function assertServes(url: string | readonly string[], tls: TlsOptions): Promise<void> {
  const queue = randomQueue();
  const handlers = { echo: (value: unknown) => value };
  await using _server = await RpcServer.listen(url, { queue, handlers, tls });
  await using client = await RpcClient.connect(url, { queue, tls });
  assertEquals(await client.call("echo", 1), 1);
}

interface Refusal {
  readonly url: string;
  readonly tls?: TlsOptions;
  readonly says: string;
  readonly code?: string;
}

/** Client and server must give the same error, which names the place and keeps secrets. */
async function assertRefused({ url, tls, says, code }: Refusal): Promise<void> {
  const secretUrl = url.replace("guest:guest", `user:${SECRET}`);
  const options = { queue: randomQueue(), handlers: { echo: () => {} }, ...tls && { tls } };
  const started = performance.now();
  const error = await assertRejects(() => RpcClient.connect(secretUrl, options), RpcError);
  const serverError = await assertRejects(() => RpcServer.listen(secretUrl, options), RpcError);
  assert(performance.now() - started < 5_000);
  assertEquals(serverError.message, error.message);
  assertEquals([error.code, error.retryable], [code ?? "misconfigured", code === "unreachable"]);
  const { hostname, port } = new URL(url);
  assertStringIncludes(error.message, `Cannot connect to the broker at ${hostname}:${port}`);
  assertStringIncludes(error.message, says);
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const shown = `${Deno.inspect(cause, { depth: 10 })}${cause.stack}`;
    const keyLine = tls?.key?.split("\n")[1] ?? SECRET;
    for (const secret of [SECRET, decodeURIComponent(SECRET), keyLine]) {
      assertFalse(shown.includes(secret), shown);
    }
  }
}

tlsTest("Clients and servers check the certificate of the broker", async (t) => {
  using authority = await CertificateAuthority.create();
  using stranger = await CertificateAuthority.create();
  const certificate = await authority.issue({ hosts: LOOPBACK });
  await using broker = await TlsNode.start({ authority, certificate });
  const ca = authority.certificate;
  const tls = { ca };

  await t.step("and serve if its authority is known", async () => {
    await assertServes(broker.url(), tls);
    await assertServes([broker.url("localhost"), broker.url()], tls);
    await assertServes(broker.url(), { ca: `${stranger.certificate}\n${ca}` });
    await assertServes(broker.url(), { ca, ...await stranger.issue() });
  });
  await t.step("and refuse an unknown authority", async () => {
    await assertRefused({ url: broker.url(), says: "nobody known here has signed" });
    const others = { ca: stranger.certificate };
    await assertRefused({ url: broker.url(), tls: others, says: 'none of "tls.ca" has signed' });
  });
  await t.step("and refuse what turns the check off", async () => {
    const open = { rejectUnauthorized: false, checkServerIdentity: () => undefined } as TlsOptions;
    await assertRefused({ url: broker.url(), tls: open, says: "has signed" });
  });
  await t.step("and refuse it whatever the environment says", async () => {
    Deno.env.set("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    try {
      await assertRefused({ url: broker.url(), says: "nobody known here has signed" });
    } finally {
      Deno.env.delete("NODE_TLS_REJECT_UNAUTHORIZED");
    }
  });
  await t.step("and tell TLS from AMQP without it", async () => {
    const { port } = new URL(broker.node.url);
    const url = `amqps://guest:guest@127.0.0.1:${port}`;
    await assertRefused({ url, tls, says: 'does not speak TLS: write "amqp://"' });
    const plain = broker.url().replace("amqps:", "amqp:");
    await assertRefused({ url: plain, says: 'is for TLS ("amqps://")', code: "unreachable" });
  });
  await t.step("and reconnect", async () => {
    const queue = randomQueue();
    const handlers = { echo: (value: unknown) => value };
    await using _server = await RpcServer.listen(broker.url(), { queue, handlers, tls });
    await using client = await RpcClient.connect(broker.url(), { queue, tls });
    await broker.node.ctl("close_all_connections", "a test");
    const calls = Array.from({ length: 20 }, (_, n) => client.call("echo", n));
    assertEquals((await within(30_000, "the calls", Promise.all(calls))).length, 20);
  });
  await t.step("and refuse another host's", async () => {
    await broker.show(await authority.issue({ hosts: ["DNS:elsewhere.example"] }));
    for (const host of ["127.0.0.1", "localhost"]) {
      await assertRefused({ url: broker.url(host), tls, says: `for other hosts than "${host}"` });
    }
  });
  await t.step("and serve with what docs/tls.md makes", async () => {
    const files = await documentedFiles();
    const { "broker.crt": cert = "", "broker.key": key = "", "ca.crt": made = "" } = files;
    await broker.show({ cert, key });
    await assertServes(broker.url("localhost"), { ca: made });
    await assertServes(broker.url(), { ca: made });
  });
  await t.step("and wait for another one in place of one that has expired", async () => {
    await broker.show(certificate);
    const queue = randomQueue();
    const handlers = { echo: (value: unknown) => value };
    await using server = await RpcServer.listen(broker.url(), { queue, handlers, tls });
    await using client = await RpcClient.connect(broker.url(), { queue, tls });
    const caFile = await Deno.makeTempFile();
    await Deno.writeTextFile(caFile, ca);
    const other = randomQueue();
    await using program = await ToldServer.start(broker.url(), other, caFile);
    await Deno.remove(caFile);
    await using caller = await RpcClient.connect(broker.url(), { queue: other, tls });
    await broker.show(await authority.issue({ hosts: LOOPBACK, days: -1 }));
    await assertRefused({ url: broker.url(), tls, says: "its certificate has expired" });
    await broker.node.ctl("close_all_connections", "a test");
    const hasExpired = (state: RpcState) => state.reason?.includes("its certificate has expired");
    await eventually(() => assert(hasExpired(server.state) && hasExpired(client.state)));
    const call = client.call("echo", 1, { timeoutMs: 120_000 });
    await broker.show(certificate);
    assertEquals(await call, 1);
    assertEquals(await caller.call("echo", 2, { timeoutMs: 120_000 }), 2);
    await program.assertTold("serving", "tries again: ", "has expired", "serving again");
  });
});

/** What the commands of docs/tls.md make, by the names of their files. */
async function documentedFiles(): Promise<Readonly<Record<string, string>>> {
  const folder = await Deno.makeTempDir({ prefix: "warren-tls-docs-" });
  try {
    const commands = (await docCommands()).filter(({ page }) => page === "docs/tls.md");
    for (const { command } of commands) {
      const { code, stderr } = await new Deno.Command("sh", {
        args: ["-c", command],
        cwd: folder,
        stdin: "null",
      }).output();
      assertEquals(code, 0, `${command}: ${new TextDecoder().decode(stderr)}`);
    }
    const files = Array.from(Deno.readDirSync(folder), ({ name }) => {
      return [name, Deno.readTextFileSync(`${folder}/${name}`)] as const;
    });
    return Object.fromEntries(files);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

tlsTest("Clients and servers show a certificate to a broker that demands one", async (t) => {
  using authority = await CertificateAuthority.create();
  using stranger = await CertificateAuthority.create();
  const certificate = await authority.issue({ hosts: LOOPBACK });
  await using broker = await TlsNode.start({ authority, certificate, demandsCertificate: true });
  const ca = authority.certificate;
  const url = broker.url();
  const refused = (pair: KeyPair) =>
    assertRefused({ url, tls: { ca, ...pair }, says: 'it refuses "tls.cert"' });

  await t.step("and serve with it", async () => {
    await assertServes(url, { ca, ...await authority.issue() });
  });
  await t.step("and are told that they have none", async () => {
    await assertRefused({ url, tls: { ca }, says: "it demands a certificate" });
  });
  await t.step("and are told that its authority is unknown", async () => {
    await refused(await stranger.issue());
  });
  await t.step("and are told that theirs has expired", async () => {
    await refused(await authority.issue({ days: -1 }));
  });
});

Deno.test("RpcClient.connect() does not wait for ever for a TLS handshake", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `amqps://user:${SECRET}@127.0.0.1:${listener.addr.port}`;
  const options = { queue: randomQueue(), connectTimeoutMs: 50 };
  const error = await assertRejects(() => RpcClient.connect(url, options), RpcError);
  assertEquals([error.code, error.retryable], ["unreachable", true]);
  assertStringIncludes(error.message, "did not answer in time");
});
