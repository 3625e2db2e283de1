import { assert, assertEquals } from "../../deps/std_assert.ts";
import { RpcClient, type RpcClientEvent, RpcServer, type RpcServerEvent } from "../../mod.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { compareVersions } from "../../tools/brokers/rabbitmq_versions.ts";
import { randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";

/** Long enough for a slow machine to log in with a token, short enough to see several of them. */
const TOKEN_LIFE_MS = 6_000;
/** Pauses between attempts are up to 30 s. */
const LIMIT_MS = 90_000;
const KEY_ID = "test-key";
const SIGNATURE = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/** Whoever gives tokens out, for RabbitMQ's plugin to check. */
class TokenIssuer {
  /** How many have been given. */
  given = 0;
  /** When the last one expires, in Unix milliseconds. */
  expiresAt = 0;
  readonly #keys: CryptoKeyPair;

  private constructor(keys: CryptoKeyPair) {
    this.#keys = keys;
  }

  static async create(): Promise<TokenIssuer> {
    const size = { modulusLength: 2_048, publicExponent: new Uint8Array([1, 0, 1]) };
    return new TokenIssuer(
      await crypto.subtle.generateKey({ ...SIGNATURE, ...size }, true, [
        "sign",
        "verify",
      ]),
    );
  }

  /** What is to check the tokens, as PEM text. */
  async publicKey(): Promise<string> {
    const bytes = new Uint8Array(await crypto.subtle.exportKey("spki", this.#keys.publicKey));
    const lines = bytes.toBase64().match(/.{1,64}/g) ?? [];
    return ["-----BEGIN PUBLIC KEY-----", ...lines, "-----END PUBLIC KEY-----", ""].join("\n");
  }

  async token(): Promise<{ password: string; expiresAt: number }> {
    this.given++;
    // Tokens count in seconds.
    const expires = Math.ceil((Date.now() + TOKEN_LIFE_MS) / 1_000);
    const scope = ["configure", "write", "read"].map((right) => `rabbitmq.${right}:*/*`);
    const header = { alg: "RS256", kid: KEY_ID, typ: "JWT" };
    const claims = { sub: "math", "client_id": "math", aud: ["rabbitmq"], exp: expires, scope };
    const signed = `${encoded(JSON.stringify(header))}.${encoded(JSON.stringify(claims))}`;
    const bytes = new TextEncoder().encode(signed);
    const signature = await crypto.subtle.sign(SIGNATURE, this.#keys.privateKey, bytes);
    const token = `${signed}.${new Uint8Array(signature).toBase64(BASE64URL)}`;
    this.expiresAt = expires * 1_000;
    return { password: token, expiresAt: this.expiresAt };
  }
}

const BASE64URL = { alphabet: "base64url", omitPadding: true } as const;

function encoded(text: string): string {
  return new TextEncoder().encode(text).toBase64(BASE64URL);
}

interface OauthNode extends AsyncDisposable {
  readonly url: string;
  readonly issuer: TokenIssuer;
  /** Waits until no connection has a token that is valid, and all of them were ended for it. */
  endExpired(isOver: () => boolean): Promise<void>;
}

/** A node that takes tokens and nothing else. */
async function startOauthNode(): Promise<OauthNode> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "warren-oauth-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const issuer = await TokenIssuer.create();
  await Deno.writeTextFile(`${folder}/key.pem`, await issuer.publicKey());
  const node = stack.use(
    await PrivateNode.start({
      plugins: ["rabbitmq_auth_backend_oauth2"],
      config: [
        "auth_backends.1 = rabbit_auth_backend_oauth2",
        "auth_oauth2.resource_server_id = rabbitmq",
        `auth_oauth2.default_key = ${KEY_ID}`,
        `auth_oauth2.signing_keys.${KEY_ID} = ${folder}/key.pem`,
      ].join("\n"),
    }),
  );
  const owned = stack.move();
  const url = node.url.replace("guest:guest@", "");
  // Former releases leave a connection to its token: they look at it with the next login.
  const endsExpired = compareVersions(node.network.install.version, "4.3") >= 0;
  const endExpired = async (isOver: () => boolean) => {
    await eventually(() => assert(Date.now() > issuer.expiresAt), LIMIT_MS);
    if (!endsExpired) await node.ctl("close_all_connections", "their tokens have expired");
    await eventually(() => assert(isOver()), LIMIT_MS);
  };
  return { url, issuer, endExpired, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test(
  rabbitmqTest("Tokens are renewed before they expire, and asked for again if not", async (t) => {
    await using node = await startOauthNode();
    const queue = randomQueue();
    const handlers = { add: (n: number) => n + 1 };
    let isAway = false;
    const losses: string[] = [];
    const onEvent = (event: RpcServerEvent | RpcClientEvent) => {
      if (event.type === "disconnected") losses.push(`${event.error}`);
    };
    const credentials = () => {
      if (isAway) throw new Error("the issuer is away");
      return node.issuer.token();
    };
    const options = { queue, credentials, onEvent, log: false };
    await using server = await RpcServer.listen(node.url, { ...options, handlers });
    await using client = await RpcClient.connect(node.url, options);

    await t.step("three tokens for each of three connections: none is lost", async () => {
      await eventually(() => assert(node.issuer.given >= 9, `${node.issuer.given}`), LIMIT_MS);
      assertEquals(await client.call("add", 1), 2);
      assertEquals(losses, []);
    });
    await t.step("nobody gives tokens: what has none is ended, and says why", async () => {
      isAway = true;
      await node.endExpired(() =>
        [server, client].every(({ state }) => state.reason?.includes("the issuer is away"))
      );
      assert(losses.length > 0);
    });
    await t.step("and there are tokens again: all go on by themselves", async () => {
      isAway = false;
      assertEquals(await client.call("add", 2, { timeoutMs: LIMIT_MS }), 3);
      await eventually(() => {
        assertEquals([server.state.name, client.state.name], ["serving", "connected"]);
      }, LIMIT_MS);
    });
  }),
);

Deno.test(
  rabbitmqTest("A token that nobody said to expire is replaced when it has", async () => {
    await using node = await startOauthNode();
    const queue = randomQueue();
    let losses = 0;
    const credentials = async () => ({ password: (await node.issuer.token()).password });
    const onEvent = ({ type }: { type: string }) => {
      if (type === "disconnected") losses++;
    };
    const options = { queue, credentials, log: false };
    const handlers = { add: (n: number) => n + 1 };
    await using _server = await RpcServer.listen(node.url, { ...options, handlers });
    await using client = await RpcClient.connect(node.url, { ...options, onEvent });
    await node.endExpired(() => losses > 0);
    assertEquals(await client.call("add", 1, { timeoutMs: LIMIT_MS }), 2);
  }),
);
