/** A server in a process of its own, for what it tells its operators. @module */

import { assert, assertEquals } from "../../deps/std_assert.ts";
import { type Child, startChild } from "./child.ts";

const PROGRAM = new URL("../fixtures/told_server.ts", import.meta.url);

/** A program whose only server has the handler `echo`. */
export class ToldServer implements AsyncDisposable {
  readonly #child: Child;
  readonly #queue: string;

  private constructor(child: Child, queue: string) {
    this.#child = child;
    this.#queue = queue;
  }

  /** Starts it and waits until it serves. */
  static async start(url: string, queue: string, authority?: string): Promise<ToldServer> {
    const args = [url, queue, ...authority === undefined ? [] : [authority]];
    const child = startChild(PROGRAM, { args, stderr: "piped" });
    await child.line("serving");
    return new ToldServer(child, queue);
  }

  /** Closes it, and looks that it has told all of this in that order, line by line. */
  async assertTold(...texts: readonly string[]): Promise<void> {
    this.#child.kill("SIGTERM");
    const [{ code }, told] = await Promise.all([this.#child.status, this.#child.stderr]);
    assertEquals(code, 0, told);
    const lines = told.split("\n");
    let from = 0;
    for (const text of texts) {
      const start = `Server of "${this.#queue}": `;
      const found = lines.findIndex((line, at) => {
        return at >= from && line.startsWith(start) && line.includes(text, start.length);
      });
      assert(found >= 0, `It has not told "${text}": ${told}`);
      from = found + 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
