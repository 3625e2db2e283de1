/** A client of a row, in a process of its own. @module */

import { ChildProgram } from "./child_program.ts";
import { type ClientSettings, toArgs } from "../clients/settings.ts";

/** What a client says at its end. */
export interface ClientTally {
  readonly begun: number;
  readonly answered: number;
  readonly wrong: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Resident memory before the first call, in bytes. */
  readonly startRss: number;
  /** Most resident memory, in bytes. */
  readonly mostRss: number;
}

/** A running client; disposing of it kills it. */
export class ClientProcess implements AsyncDisposable {
  readonly process: ChildProgram;

  private constructor(process: ChildProgram) {
    this.process = process;
  }

  /** Starts a client, which calls at once. */
  static async start(settings: ClientSettings): Promise<ClientProcess> {
    const program = "./clients/flood.ts";
    const options = { program, args: toArgs(settings), name: "client", ready: "calling" };
    return new ClientProcess(await ChildProgram.start(options));
  }

  /** Waits until it has called as often as it was to. */
  async tally(limitMs: number): Promise<ClientTally> {
    const tally = await this.process.next("done", limitMs);
    const { begun, answered, wrong, rejected, seconds, startRss, mostRss } = tally;
    return {
      begun: Number(begun),
      answered: Number(answered),
      wrong: Number(wrong),
      // Our own program has written it.
      rejected: rejected as Readonly<Record<string, number>>,
      seconds: Number(seconds),
      startRss: Number(startRss),
      mostRss: Number(mostRss),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}
