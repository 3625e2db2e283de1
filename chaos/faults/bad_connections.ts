/** R14: nobody may come in, nobody answers, or somebody else does. @module */

import { CertificateAuthority } from "../../tools/brokers/certificates.ts";
import { formsOf } from "../../tools/brokers/secrets.ts";
import { TlsNode } from "../../tools/brokers/tls_node.ts";
import { type BadUrl, BadUrls } from "../load/bad_urls.ts";
import { ChildProgram } from "../processes/child_program.ts";
import { type Attempt, readAttempts, toEnv } from "../clients/attempts.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atLeast, atMost, type Limit } from "../limits.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";
import type { Scene } from "../scene.ts";

const CONNECT_TIMEOUT_MS = 1_000;
/** What a timer and an error may add to it. */
const TOLERANCE_MS = 250;
const PHASE_LIMIT_MS = 30_000;
const ROLES = 2;
/** The connections that a client and a server have. */
const CONNECTIONS = { client: 1, server: 2 } as const;
/** Rounds of attempts that must follow while nodes only hang up. */
const RETRIES = 3;

const LOGIN = { user: "anna", password: "s3cr:t/p@ss w0rd%", forbiddenVhost: "closed" };

/** A client and a server that cannot connect, and two that can no longer. */
export const badConnections: Fault = {
  id: "R14",
  title: "logins, certificates and hosts are wrong",
  seconds: 15,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  using authority = await CertificateAuthority.create();
  const certificate = await authority.issue({ hosts: ["IP:127.0.0.1"] });
  const broker = scene.use(await TlsNode.start({ authority, certificate }));
  await addLogin(broker);
  const places = scene.use(BadUrls.open(broker, LOGIN));
  const running = new Running(scene, broker);
  const program = scene.use(
    await ChildProgram.start({
      program: "./clients/connecting.ts",
      args: [],
      env: toEnv({
        queue: scene.queue,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        attempts: Object.fromEntries(places.all.map(({ name, urls }) => [name, urls])),
        ...running.urls,
      }),
      name: "connecting",
      ready: "connected",
    }),
  );
  const passing = await running.refuseForAWhile(program);
  const permanent = await running.changePassword(program);
  const code = await program.exited;
  const transcript = await program.transcript();
  const attempts = readAttempts(transcript);
  const shown = formsOf(LOGIN.user, LOGIN.password).filter((form) => transcript.includes(form));
  return {
    injected: attempts.length + 2,
    limits: [
      ...attemptLimits(places.all, attempts, scene.budget.timeLimit(TOLERANCE_MS)),
      atLeast("rounds of attempts, while nodes hang up", passing, RETRIES),
      atMost("attempts of a connection for each node, password changed", permanent, 3),
      atMost("program, ended otherwise than with 0", code, 0),
      atMost("forms of the password, shown", shown.length, 0),
    ],
    notes: {
      "characters shown by the program": transcript.length,
      ...otherOutcomes(places.all, attempts),
    },
  };
}

/** A user, and a virtual host that is not for this user. */
async function addLogin({ node }: TlsNode): Promise<void> {
  const { user, password, forbiddenVhost } = LOGIN;
  await Promise.all([
    node.ctl("add_user", user, password),
    node.ctl("add_vhost", forbiddenVhost),
  ]);
  await node.ctl("set_permissions", user, ".*", ".*", ".*");
}

function attemptLimits(
  places: readonly BadUrl[],
  attempts: readonly Attempt[],
  toleranceMs: number,
): Limit[] {
  const nodes = new Map(places.map(({ name, urls }) => [name, urls.length]));
  const lateMs = attempts.map(({ name, ms }) => ms - CONNECT_TIMEOUT_MS * (nodes.get(name) ?? 0));
  const tries = places.flatMap(({ proxies }) => proxies.map(({ connections }) => connections));
  return [
    atMost("attempts, without an end", places.length * ROLES - attempts.length, 0),
    atMost("attempts, not rejected as documented", misjudged(places, attempts).length, 0),
    atMost("rejected after the connect timeout, ms", Math.max(...lateMs), toleranceMs),
    atMost("connections of one attempt to a node", Math.max(...tries) / ROLES, 1),
    atLeast("connections, each node is tried", Math.min(...tries) / ROLES, 1),
  ];
}

function misjudged(places: readonly BadUrl[], attempts: readonly Attempt[]): Attempt[] {
  const codes = new Map(places.map(({ name, code }) => [name, code]));
  return attempts.filter(({ name, outcome, retryable }) => {
    return outcome !== codes.get(name) || retryable !== (outcome === "unreachable");
  });
}

function otherOutcomes(
  places: readonly BadUrl[],
  attempts: readonly Attempt[],
): Record<string, number> {
  const others = misjudged(places, attempts);
  return Object.fromEntries(
    others.map(({ name, role, outcome, ms }) => [`${role}, ${name}: ${outcome} after ms`, ms]),
  );
}

/** A client and a server that are connected, each by way of two nodes. */
class Running {
  readonly #scene: Scene;
  readonly #broker: TlsNode;
  readonly #proxies: Readonly<Record<keyof typeof CONNECTIONS, readonly FaultProxy[]>>;

  constructor(scene: Scene, broker: TlsNode) {
    const start = () => scene.use(FaultProxy.start(broker.node.url));
    this.#scene = scene;
    this.#broker = broker;
    this.#proxies = { client: [start(), start()], server: [start(), start()] };
  }

  get urls(): { readonly clientUrls: string[]; readonly serverUrls: string[] } {
    const login = `${LOGIN.user}:${encodeURIComponent(LOGIN.password)}`;
    const toUrls = (proxies: readonly FaultProxy[]) =>
      proxies.map(({ url }) => url.replace("guest:guest", login));
    const { client, server } = this.#proxies;
    return { clientUrls: toUrls(client), serverUrls: toUrls(server) };
  }

  /** Nodes hang up on everybody for a while: returns how often each connection tried all of them. */
  async refuseForAWhile(program: ChildProgram): Promise<number> {
    const before = this.#counts();
    const rounds = () => Math.min(...this.#since(before));
    const refuse = async () => {
      this.#all.forEach((proxy) => proxy.refuses = true);
      this.#all.forEach((proxy) => proxy.cut());
      await this.#scene.until(() => rounds() >= RETRIES, PHASE_LIMIT_MS);
      this.#all.forEach((proxy) => proxy.refuses = false);
      return rounds();
    };
    const [result] = await Promise.all([refuse(), program.next("reconnected", PHASE_LIMIT_MS)]);
    return result;
  }

  /**
   * No node takes the login for a while: returns how often each connection tried one of them until all
   * said so.
   */
  async changePassword(program: ChildProgram): Promise<number> {
    const { node } = this.#broker;
    const before = this.#counts();
    const change = async () => {
      await node.ctl("change_password", LOGIN.user, "another");
      await node.ctl("close_all_connections", "chaos");
    };
    await Promise.all([change(), program.next("refused", PHASE_LIMIT_MS)]);
    const counted = Math.max(...this.#since(before));
    await Promise.all([
      node.ctl("change_password", LOGIN.user, LOGIN.password),
      program.next("back", PHASE_LIMIT_MS),
    ]);
    return counted;
  }

  get #all(): readonly FaultProxy[] {
    return Object.values(this.#proxies).flat();
  }

  #counts(): number[] {
    return this.#all.map(({ connections }) => connections);
  }

  /** Connections to each node since then, for each connection that its program has. */
  #since(before: readonly number[]): number[] {
    const { client, server } = this.#proxies;
    const shares = [
      ...client.map(() => CONNECTIONS.client),
      ...server.map(() => CONNECTIONS.server),
    ];
    return this.#counts().map((count, index) => {
      return (count - (before[index] ?? 0)) / (shares[index] ?? 1);
    });
  }
}
