/** What is remembered of the recent past, in bounded memory. @module */

/** Most entries that are remembered. */
const MAX_REMEMBERED = 4_096;

/** A map by name that forgets its oldest entries. */
export class RecentMap<Value> {
  /** Oldest first. */
  readonly #entries = new Map<string, Value>();

  /** Whether something is remembered of that name. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Finds what is remembered. */
  get(name: string): Value | undefined {
    return this.#entries.get(name);
  }

  /** Remembers something; what was remembered of that name keeps its age. */
  set(name: string, value: Value): void {
    this.#entries.set(name, value);
    if (this.#entries.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  /** Forgets something. */
  delete(name: string): void {
    this.#entries.delete(name);
  }
}
