/** The clock of a simulation, and what is to happen when. @module */

interface Event {
  readonly at: number;
  /** Of two at the same time, the one that was planned first happens first. */
  readonly order: number;
  readonly happen: () => void;
}

/** Events in the order of their times: a binary heap. */
export class EventQueue {
  /** The time, in milliseconds. */
  now = 0;
  readonly #heap: Event[] = [];
  #planned = 0;

  /** Plans an event. */
  after(ms: number, happen: () => void): void {
    const event = { at: this.now + ms, order: this.#planned++, happen };
    const heap = this.#heap;
    let place = heap.push(event) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, event)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = event;
  }

  /** Lets everything happen until then, or until nothing is planned any more. */
  runUntil(end: number): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      this.#removeFirst();
      this.now = next.at;
      next.happen();
    }
    this.now = end;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const [one, other] = [heap[left], heap[left + 1]];
      if (one === undefined) break;
      const isRight = other !== undefined && isBefore(other, one);
      const child = isRight ? other : one;
      if (isBefore(last, child)) break;
      heap[place] = child;
      place = isRight ? left + 1 : left;
    }
    heap[place] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** Random numbers that are the same at each run: xorshift of 32 bits. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** From 0 to less than 1. */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) / 2 ** 32;
  }

  /** Exponentially distributed, as the pauses between independent arrivals are. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }
}
