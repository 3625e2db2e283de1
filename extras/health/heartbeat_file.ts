/** A file that is fresh while a program is alive, for pods without a port. @module */

import { rename, rm, writeFile } from "node:fs/promises";
import { clearTimeout, setTimeout } from "node:timers";
import { checkInteger, checkOptions } from "../../internal/check.ts";
import { MAX_TIMEOUT_MS } from "../../internal/time.ts";
import { health, type HealthParts } from "./report.ts";

/** Options of {@linkcode HeartbeatFile.start}. */
export interface HeartbeatFileOptions {
  /**
   * How often the file is written, in milliseconds, from 1 to 2147483647.
   *
   * @default {5_000}
   */
  readonly intervalMs?: number;
}

/**
 * A file that is replaced again and again while a program is live, and says `ready` or `not-ready`: a
 * probe looks at its age and, if it asks for readiness, at the word. It keeps no program running.
 *
 * @example A program without a port
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { HeartbeatFile } from "@warren/rpc/health";
 *
 * const handlers = { ping: () => "pong" };
 * const math = await RpcServer.listen("amqp://127.0.0.1", { queue: "math", handlers });
 * await using _heartbeat = await HeartbeatFile.start("/run/math/heartbeat", { math });
 * await math.finished;
 * ```
 */
export class HeartbeatFile implements AsyncDisposable {
  readonly #path: string;
  readonly #parts: () => HealthParts;
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, parts: () => HealthParts, intervalMs: number) {
    this.#path = path;
    this.#parts = parts;
    this.#intervalMs = intervalMs;
  }

  /**
   * Writes the file for the first time, and then again and again.
   *
   * @param path The file. One beside it, with `.new` at the end, is written and renamed.
   * @param parts The parts, or what gives them each time.
   * @param options How often.
   * @returns What ends it, and removes the file.
   * @throws {RangeError} If the interval is out of its bounds.
   * @throws {Error} If the file cannot be written.
   */
  static async start(
    path: string,
    parts: HealthParts | (() => HealthParts),
    options: HeartbeatFileOptions = {},
  ): Promise<HeartbeatFile> {
    checkOptions("write a heartbeat", options);
    const { intervalMs = 5_000 } = options;
    checkInteger("write a heartbeat", { intervalMs }, { min: 1, max: MAX_TIMEOUT_MS });
    const partsOf = typeof parts === "function" ? parts : () => parts;
    const file = new HeartbeatFile(path, partsOf, intervalMs);
    await file.#write();
    file.#schedule();
    return file;
  }

  /** Ends it, and removes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    await rm(this.#path, { force: true });
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      // A disk that is full leaves the file as it is: it grows old, and the probe fails.
      this.#writing = this.#write().catch(() => {}).then(() => {
        if (this.#timer !== undefined) this.#schedule();
      });
    }, this.#intervalMs).unref();
  }

  async #write(): Promise<void> {
    const { live, ready } = health(this.#parts());
    if (!live) return;
    const next = `${this.#path}.new`;
    await writeFile(next, ready ? "ready\n" : "not-ready\n");
    await rename(next, this.#path);
  }
}
