/** Tells whether two values are deeply equal. */
export function equal(a: unknown, b: unknown): boolean {
  return new Comparison().equal(a, b);
}

class Comparison {
  /** Pairs under way: a cycle is equal if everything else is. */
  readonly #seen = new Map<object, object>();

  equal(a: unknown, b: unknown): boolean {
    if (Object.is(a, b)) return true;
    if (typeof a === "number" && typeof b === "number") return a === b;
    if (!isObject(a) || !isObject(b) || !sameConstructor(a, b)) return false;
    if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
    if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
    if (a instanceof WeakMap || a instanceof WeakSet) {
      throw new TypeError(`cannot compare ${a.constructor.name} instances`);
    }
    if (this.#seen.get(a) === b) return true;
    this.#seen.set(a, b);
    return this.#sameContent(a, b);
  }

  #sameContent(a: object, b: object): boolean {
    if (a instanceof Map && b instanceof Map) {
      return this.#sameEntries([...a], [...b]) && this.#sameProperties(a, b);
    }
    if (a instanceof Set && b instanceof Set) {
      return this.#sameEntries([...a], [...b]) && this.#sameProperties(a, b);
    }
    return this.#sameProperties(a, b);
  }

  /** Entries in any order, each of them used once. */
  #sameEntries(a: readonly unknown[], b: readonly unknown[]): boolean {
    if (a.length !== b.length) return false;
    const left = [...b];
    return a.every((entry) => {
      const index = left.findIndex((other) => this.equal(entry, other));
      if (index !== -1) left.splice(index, 1);
      return index !== -1;
    });
  }

  #sameProperties(a: object, b: object): boolean {
    const keys = propertiesOf(a);
    if (keys.length !== propertiesOf(b).length) return false;
    return keys.every((key) =>
      Reflect.has(b, key) && this.equal(Reflect.get(a, key), Reflect.get(b, key))
    );
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function sameConstructor(a: object, b: object): boolean {
  // An object without prototype, say a parser's record, counts as a plain one.
  return (a.constructor ?? Object) === (b.constructor ?? Object);
}

/** Own enumerable properties, symbols included. */
function propertiesOf(value: object): PropertyKey[] {
  const symbols = Object.getOwnPropertySymbols(value).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(value, key)
  );
  return [...Object.keys(value), ...symbols];
}
