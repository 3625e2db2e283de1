/** Programs of other client libraries, in tests/fixtures/peers. @module */

import { type Child, startProgram } from "./child.ts";

/** What a program of a peer does. */
export type PeerRole = "client" | "server";

/** A library of another language, or another one of JavaScript. */
export interface Peer {
  readonly name: string;
  /** What is not installed here, if so. */
  readonly missing: string | undefined;
  /** What makes its programs in a folder, if they must be made. */
  readonly build?: (folder: string) => readonly Command[];
  readonly command: (role: PeerRole, folder: string) => Command;
  /** Its bodies are envelopes around what is meant, as NestJS has them. */
  readonly hasEnvelopes?: true;
  /** Its programs need queues that are there, and its client the name of its reply queue. */
  readonly declaresNothing?: true;
}

type Command = readonly [program: string, ...args: string[]];

const FIXTURES = new URL("../fixtures/peers/", import.meta.url);
/** Debian keeps its packages for its own Python, which need not be the first on the PATH. */
const PYTHON = "/usr/bin/python3";
/** Debian keeps the packages of Go here, to be used without modules, and so without a network. */
const GO = ["env", "GOPATH=/usr/share/gocode", "GO111MODULE=off", "go"] as const;
const JARS = ["amqp-client", "slf4j-api", "slf4j-nop"].map((jar) => `/usr/share/java/${jar}.jar`);

/** All of them; each one's programs do the same. */
export const PEERS: readonly Peer[] = [
  python("aio-pika", "aio_pika"),
  python("kombu", "kombu"),
  javascript("rabbitmq-client", "rabbitmq_client"),
  javascript("@cloudamqp/amqp-client", "cloudamqp"),
  { ...javascript("@nestjs/microservices", "nestjs"), hasEnvelopes: true },
  {
    name: "php-amqplib",
    missing: whyNot("php-amqplib", "php", "-r", 'require "PhpAmqpLib/autoload.php";'),
    command: (role) => ["php", fixture(`${role}.php`)],
  },
  {
    name: "Bunny",
    missing: whyNot("ruby-bunny", "ruby", "-e", 'require "bunny"'),
    command: (role) => ["ruby", fixture(`${role}.rb`)],
  },
  {
    name: "rabbitmq-c",
    missing: whyNot("librabbitmq-dev", "gcc", "-fsyntax-only", fixture("client.c")),
    build: (folder) =>
      (["client", "server"] as const).map((role) => {
        return ["gcc", "-o", `${folder}/${role}`, fixture(`${role}.c`), "-lrabbitmq"];
      }),
    command: (role, folder) => [`${folder}/${role}`],
  },
  {
    name: "RabbitMQ's Go client",
    missing: whyNot("golang-go", "go", "version") ??
      whyNot(
        "golang-github-rabbitmq-amqp091-go-dev",
        ...GO,
        "list",
        "github.com/rabbitmq/amqp091-go",
      ),
    build: (folder) =>
      (["client", "server"] as const).map((role) => {
        return [...GO, "build", "-o", `${folder}/${role}`, fixture(`${role}.go`)];
      }),
    command: (role, folder) => [`${folder}/${role}`],
  },
  {
    name: "RabbitMQ's Java client",
    missing: whyNot("librabbitmq-client-java", "jar", "--list", "--file", JARS[0] ?? "") ??
      whyNot("javac", "javac", "-version"),
    build: (folder) => {
      const sources = [fixture("Client.java"), fixture("Server.java")];
      return [[
        "javac",
        "-J-XX:TieredStopAtLevel=1",
        "-cp",
        JARS.join(":"),
        "-d",
        folder,
        ...sources,
      ]];
    },
    command: (role, folder) => {
      const main = role === "client" ? "Client" : "Server";
      // They live for a moment.
      return ["java", "-XX:TieredStopAtLevel=1", "-cp", [...JARS, folder].join(":"), main];
    },
  },
];

/** A library for AMQP 1.0, which RabbitMQ has had in it since 4.0. */
export const AMQP_10_PEER: Peer = {
  ...javascript("rhea (AMQP 1.0)", "rhea"),
  declaresNothing: true,
};

/** The programs of a peer, ready to be started. */
export class PeerPrograms implements AsyncDisposable {
  readonly peer: Peer;
  readonly #folder: string;

  private constructor(peer: Peer, folder: string) {
    this.peer = peer;
    this.#folder = folder;
  }

  static async of(peer: Peer): Promise<PeerPrograms> {
    const folder = await Deno.makeTempDir();
    for (const [program, ...args] of peer.build?.(folder) ?? []) {
      const { success } = await new Deno.Command(program, { args, stdout: "null" }).output();
      if (!success) throw new Error(`Cannot make the programs of ${peer.name}: see above`);
    }
    return new PeerPrograms(peer, folder);
  }

  /** Starts a client, which prints the output of its one call. */
  startClient(...args: readonly string[]): Child {
    return startProgram(this.peer.command("client", this.#folder), { args });
  }

  /** Starts a server and waits until it serves. */
  async startServer(...args: readonly string[]): Promise<Child> {
    const server = startProgram(this.peer.command("server", this.#folder), { args });
    await server.line("awaiting RPC requests");
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function python(name: string, module: string): Peer {
  return {
    name,
    missing: whyNot(`python3-${name}`, PYTHON, "-c", `import ${module}`),
    command: (role) => [PYTHON, fixture(`${module}_${role}.py`)],
  };
}

function javascript(name: string, file: string): Peer {
  return {
    name,
    // Without a network it may not be there.
    missing: whyNot(
      `npm:${name.split(" ")[0]}`,
      Deno.execPath(),
      "cache",
      "--quiet",
      fixture(`${file}_client.js`),
    ),
    command: (role) => {
      return [Deno.execPath(), "run", "--allow-all", "--quiet", fixture(`${file}_${role}.js`)];
    },
  };
}

function fixture(name: string): string {
  return new URL(name, FIXTURES).pathname;
}

/** Why a package cannot be used, if so: a command that needs it fails, or is not there. */
function whyNot(needed: string, ...[program, ...args]: Command): string | undefined {
  try {
    const command = new Deno.Command(program, { args, stdout: "null", stderr: "null" });
    if (command.outputSync().success) return undefined;
  } catch {
    // There is no such program.
  }
  return `${needed} is missing`;
}
