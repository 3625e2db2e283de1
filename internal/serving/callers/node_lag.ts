/** Waits for a node that does not know yet what others have declared. @module */

import { sleep, TimeLimitError, withTimeout } from "../../time.ts";

/** How long a node may take to learn what the others know, in milliseconds, before it is asked again. */
const ANSWER_LIMIT_MS = 500;
/** How long a node has that may not be asked, in milliseconds. */
const BLIND_PAUSE_MS = 500;
/** Pause after a question that failed, in milliseconds, as its connection is being replaced. */
const FAILED_PAUSE_MS = 200;

/** Asks a node: see `PublisherSession`. */
type CatchUp = () => Promise<boolean>;

/**
 * Has nodes catch up, with one question for all that wait.
 *
 * A node of RabbitMQ 4 may be given a request before it knows of the caller's reply queue, which was
 * declared on another node: after a partition, or when its processor is taken. It says then that the
 * reply has no queue, which is no proof that the caller is gone.
 */
export class NodeLag {
  readonly #questions = new WeakMap<CatchUp, Questions>();

  /**
   * Waits until a node knows of all queues that there are now, for half a second at most.
   *
   * @param catchUp Asks the node; always the same one for the same connection.
   * @returns Whether it does, as far as one may know.
   */
  async overcome(catchUp: CatchUp): Promise<boolean> {
    let questions = this.#questions.get(catchUp);
    if (questions === undefined) this.#questions.set(catchUp, questions = new Questions(catchUp));
    try {
      const { next } = questions;
      if (!await withTimeout(ANSWER_LIMIT_MS, () => next)) await sleep(BLIND_PAUSE_MS);
      return true;
    } catch (error) {
      if (!(error instanceof TimeLimitError)) await sleep(FAILED_PAUSE_MS);
      return false;
    }
  }
}

/** One question at a time: whoever comes while it is under way needs the answer to the next. */
class Questions {
  readonly #catchUp: CatchUp;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<boolean> | undefined;

  constructor(catchUp: CatchUp) {
    this.#catchUp = catchUp;
  }

  /** The answer to a question that is asked from now on. */
  get next(): Promise<boolean> {
    return this.#next ??= this.#ask();
  }

  async #ask(): Promise<boolean> {
    await this.#current;
    const question = this.#catchUp();
    this.#current = question.catch(() => {});
    this.#next = undefined;
    return await question;
  }
}
