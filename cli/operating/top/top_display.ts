/** `warren top` on a screen: what keys do. @module */

import type { RequestReport, RpcControl } from "../../../extras/control/rpc_control.ts";
import { EXIT_CODE } from "../../exit_code.ts";
import { formatDuration } from "../../duration.ts";
import { NO_ANSWER } from "../changes.ts";
import { Screen } from "../../screen.ts";
import { keyOf, type TopModel, type TopServer } from "./top_model.ts";
import { topScreen } from "./top_screen.ts";

/** What is shown, and where. */
interface DisplayParts {
  readonly model: TopModel;
  readonly control: RpcControl;
  readonly title: string;
  readonly hasColors: boolean;
}

/** Nobody's line yet. */
const START = { index: 0, key: undefined };

/** Something that is done if the user says yes. */
interface Question {
  readonly words: string;
  readonly act: () => Promise<string>;
}

/** The screen, and what is chosen on it. */
export class TopDisplay implements Disposable {
  readonly #parts: DisplayParts;
  readonly #screen: Screen;
  readonly #ended = Promise.withResolvers<number>();
  /** Which line is chosen, and whose it is: lists change while one looks at them. */
  #selected: { readonly index: number; readonly key: string | undefined } = START;
  /** The key of the server that is looked at closely. */
  #close: string | undefined;
  #requests: readonly RequestReport[] = [];
  #isHelp = false;
  #status = "";
  #question: Question | undefined;
  #lostAt: number | undefined;
  #missed = "";

  constructor(parts: DisplayParts) {
    this.#parts = parts;
    this.#screen = new Screen((key) => this.#onKey(key), () => this.#draw());
    this.#draw();
  }

  /** The exit code, once the user has had enough. */
  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  /** Notes that the broker is away, or there again. */
  onConnection(state: "connected" | "disconnected"): void {
    this.#lostAt = state === "connected" ? undefined : performance.now();
    this.#draw();
  }

  /**
   * Shows what the model knows by now, and asks for what is looked at closely.
   *
   * @param missed Why the last look was in vain; empty if it was not.
   */
  show(missed: string): void {
    this.#missed = missed;
    this.#draw();
    this.#lookClosely();
  }

  [Symbol.dispose](): void {
    this.#screen[Symbol.dispose]();
  }

  #draw(): void {
    const { model, title, hasColors } = this.#parts;
    const servers = model.servers();
    const near = this.#nearest(servers);
    const selected = this.#select();
    const lost = this.#lostAt === undefined
      ? ""
      : `The broker is away, for ${formatDuration(performance.now() - this.#lostAt)}: ` +
        "what is shown is old";
    const view = {
      title,
      servers,
      queues: model.queues,
      procedures: model.procedures(),
      selected,
      details: near && { server: near, requests: this.#requests },
      status: this.#question === undefined
        ? lost || this.#missed || this.#status
        : `${this.#question.words} y/n`,
      isHelp: this.#isHelp,
    };
    this.#screen.show(topScreen(view, this.#screen.size, hasColors));
  }

  /** Finds what was chosen where it is now, or chooses what is in its place. */
  #select(steps: number = 0): number {
    const { index, key } = this.#selected;
    const keys = this.#close === undefined
      ? this.#parts.model.servers().map(({ stats }) => keyOf(stats))
      : this.#requests.map(({ id }) => id);
    const found = key === undefined ? -1 : keys.indexOf(key);
    const at = Math.max(0, Math.min((found < 0 ? index : found) + steps, keys.length - 1));
    this.#selected = { index: at, key: keys[at] };
    return at;
  }

  #nearest(servers: readonly TopServer[]): TopServer | undefined {
    const near = servers.find(({ stats }) => keyOf(stats) === this.#close);
    // It is gone for good.
    if (near === undefined && this.#close !== undefined) this.#back();
    return near;
  }

  #lookClosely(): void {
    const near = this.#nearest(this.#parts.model.servers());
    if (near === undefined) return;
    const { name: queue, id: server } = near.stats;
    this.#parts.control.active({ queue, server, timeoutMs: 900, limit: 200 }).then(([answer]) => {
      if (this.#close !== keyOf(near.stats) || answer === undefined) return;
      this.#requests = answer.requests;
      this.#draw();
      // Whoever cannot be asked is shown as silent.
    }, () => {});
  }

  #onKey(key: string): void {
    if (key === "interrupt") return this.#ended.resolve(EXIT_CODE.interrupted);
    if (this.#question !== undefined) return this.#answer(key);
    this.#status = "";
    switch (key) {
      case "q":
        return this.#ended.resolve(EXIT_CODE.ok);
      case "?":
        this.#isHelp = !this.#isHelp;
        break;
      case "j":
      case "down":
        this.#select(1);
        break;
      case "k":
      case "up":
        this.#select(-1);
        break;
      case "enter":
        this.#enter();
        break;
      case "escape":
        if (this.#isHelp) this.#isHelp = false;
        else this.#back();
        break;
      case "p":
        this.#askToPause();
        break;
      case "c":
        this.#askToCancel();
    }
    this.#draw();
  }

  #enter(): void {
    if (this.#close !== undefined) return this.#back();
    const server = this.#parts.model.servers()[this.#select()];
    if (server === undefined) return;
    this.#close = keyOf(server.stats);
    this.#requests = [];
    this.#selected = START;
    this.#lookClosely();
  }

  #back(): void {
    if (this.#close === undefined) return;
    this.#selected = { index: 0, key: this.#close };
    this.#close = undefined;
    this.#requests = [];
  }

  #askToPause(): void {
    const servers = this.#parts.model.servers();
    const server = this.#nearest(servers) ?? servers[this.#select()];
    if (server === undefined) return;
    const { name: queue, id, state } = server.stats;
    const change = state === "paused" ? "resume" : "pause";
    this.#question = {
      words: `${change} ${keyOf(server.stats)}?`,
      act: async () => {
        const [answer] = await this.#parts.control[change]({ queue, server: id });
        if (answer === undefined) return NO_ANSWER;
        return answer.refused === undefined
          ? `${id} is ${answer.state}`
          : `Refused: ${answer.refused}`;
      },
    };
  }

  #askToCancel(): void {
    const near = this.#nearest(this.#parts.model.servers());
    const request = this.#requests[this.#select()];
    if (near === undefined || request === undefined) {
      this.#status = "Choose a server with enter, and one of its requests";
      return;
    }
    const { name: queue, id: server } = near.stats;
    this.#question = {
      words: `cancel ${request.procedure} ${request.id}?`,
      act: async () => {
        const [answer] = await this.#parts.control.cancel([request.id], { queue, server });
        if (answer === undefined) return NO_ANSWER;
        return answer.refused === undefined
          ? `${answer.cancelled ?? 0} cancelled`
          : `Refused: ${answer.refused}`;
      },
    };
  }

  #answer(key: string): void {
    const question = this.#question;
    this.#question = undefined;
    this.#status = "Nothing was done";
    if (key === "y" && question !== undefined) {
      this.#status = "…";
      question.act().catch((error) => error instanceof Error ? error.message : String(error))
        .then((words) => {
          this.#status = words;
          this.#draw();
        });
    }
    this.#draw();
  }
}
