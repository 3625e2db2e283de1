import { freePorts } from "./free_ports.ts";
import { GuardedProcess } from "./guarded_process.ts";
import { findRabbitmq, type RabbitmqInstall } from "./rabbitmq_install.ts";

/**
 * What Erlang nodes share to find and trust each other: a cookie, and an epmd of their own.
 *
 * Nodes of one network can form a cluster; a system-wide RabbitMQ never sees them.
 */
export class ErlangNetwork implements AsyncDisposable {
  readonly install: RabbitmqInstall;
  /** Holds the folders of all nodes. */
  readonly folder: string;
  readonly #port: number;
  readonly #epmd: GuardedProcess;

  private constructor(
    install: RabbitmqInstall,
    folder: string,
    epmd: { readonly port: number; readonly process: GuardedProcess },
  ) {
    this.install = install;
    this.folder = folder;
    this.#port = epmd.port;
    this.#epmd = epmd.process;
  }

  /**
   * Starts the port mapper in a new temporary folder.
   *
   * @param install Whose programs to use; by default those that `findRabbitmq()` finds.
   * @throws {Error} If RabbitMQ is not installed.
   */
  static async open(
    install: RabbitmqInstall | string = findRabbitmq(),
  ): Promise<ErlangNetwork> {
    if (typeof install === "string") {
      throw new Error(
        `Cannot start a private node as ${install}: install rabbitmq-server and try again`,
      );
    }
    const folder = await Deno.makeTempDir({ prefix: "warren-" });
    try {
      await writeCookie(folder);
      const [port = 0] = freePorts(1);
      const process = await GuardedProcess.start({
        command: [install.epmd, "-address", "127.0.0.1", "-port", `${port}`],
        env: {},
        log: `${folder}/epmd.log`,
        orphanedFolder: folder,
      });
      return new ErlangNetwork(install, folder, { port, process });
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** Process id of the port mapper. */
  get epmdPid(): number {
    return this.#epmd.pid;
  }

  /** Variables for each program that is to join; no others are inherited. */
  get env(): Record<string, string> {
    return {
      PATH: `${this.install.erlang}:${Deno.env.get("PATH") ?? ""}:/usr/bin:/bin`,
      LC_ALL: "C.UTF-8",
      // Erlang reads the cookie from there.
      HOME: this.folder,
      ERL_EPMD_ADDRESS: "127.0.0.1",
      ERL_EPMD_PORT: `${this.#port}`,
      // Whatever starts when the port mapper has ended would start one that nobody ends.
      ERL_ZFLAGS: "-start_epmd false",
    };
  }

  /** Ends the port mapper and removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#epmd[Symbol.asyncDispose]();
    await removeFolder(this.folder);
  }
}

async function writeCookie(folder: string): Promise<void> {
  const cookie = crypto.getRandomValues(new Uint8Array(20)).toHex();
  await Deno.writeTextFile(`${folder}/.erlang.cookie`, cookie, { mode: 0o400 });
}

/** A killed node's helpers may still write for a moment. */
async function removeFolder(folder: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
    }
  }
  await Deno.remove(folder, { recursive: true });
}
