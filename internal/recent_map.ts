/** What is remembered of the recent past, in bounded memory. @module */

/** At least so many of the latest entries are remembered, and at most twice as many. */
const REMEMBERED = 4_096;

/** A map by name that forgets its oldest entries. */
export class RecentMap<Value> {
  #recent = new Map<string, Value>();
  /** What came before; forgotten all at once, which costs far less than one by one. */
  #older = new Map<string, Value>();

  /** Whether nothing is remembered. */
  get isEmpty(): boolean {
    return this.#recent.size === 0 && this.#older.size === 0;
  }

  /** Whether something is remembered of that name. */
  has(name: string): boolean {
    return this.#recent.has(name) || this.#older.has(name);
  }

  /** Finds what is remembered. */
  get(name: string): Value | undefined {
    return this.#recent.has(name) ? this.#recent.get(name) : this.#older.get(name);
  }

  /** Remembers something. */
  set(name: string, value: Value): void {
    if (this.#recent.size === REMEMBERED && !this.#recent.has(name)) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(name, value);
  }

  /** Forgets something. */
  delete(name: string): void {
    this.#recent.delete(name);
    this.#older.delete(name);
  }
}
