import { assertEquals, assertRejects, assertStrictEquals } from "../../../deps/std_assert.ts";
import { ItemReader } from "../../../internal/streaming/item_reader.ts";

/** Items that come when their test says so. */
class Items {
  left = 0;
  opened = 0;
  readonly #come: number[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake = () => {};

  readonly reader = new ItemReader<number>((wake) => {
    this.opened++;
    this.#wake = wake;
    return { take: () => this.#take(), leave: () => this.#leave() };
  });

  come(...items: number[]): void {
    this.#come.push(...items);
    this.#wake();
  }

  end(end: { readonly error?: unknown } = {}): void {
    this.#end = end;
    this.#wake();
  }

  #take(): IteratorResult<number, void> | undefined {
    const value = this.#come.shift();
    if (value !== undefined) return { done: false, value };
    if (this.#end === undefined) return undefined;
    if ("error" in this.#end) throw this.#end.error;
    return { done: true, value: undefined };
  }

  #leave(): void {
    this.left++;
    // Whoever is told that the reader left may have something to say at once.
    this.#wake();
  }
}

const END = { done: true, value: undefined } as const;

Deno.test("ItemReader reads items as they come, in order of its reads", async () => {
  const items = new Items();
  const reads = [items.reader.next(), items.reader.next(), items.reader.next()];
  items.come(1, 2);
  items.come(3, 4);
  assertEquals((await Promise.all(reads)).map(({ value }) => value), [1, 2, 3]);
  assertEquals(await items.reader.next(), { done: false, value: 4 });
  items.end();
  assertEquals([await items.reader.next(), await items.reader.next()], [END, END]);
  assertEquals([items.opened, items.left], [1, 1]);
});

Deno.test("ItemReader.return() ends at once, and the reads that wait with it", async () => {
  const items = new Items();
  const reads = [items.reader.next(), items.reader.next()];
  assertEquals(await items.reader.return(), END);
  assertEquals(await Promise.all(reads), [END, END]);
  items.come(1);
  assertEquals([await items.reader.next(), items.left], [END, 1]);
});

Deno.test("ItemReader.throw() leaves and rejects", async () => {
  const items = new Items();
  const read = items.reader.next();
  await assertRejects(() => items.reader.throw(new Error("enough")), Error, "enough");
  assertEquals([await read, items.left], [END, 1]);
});

Deno.test("ItemReader opens nothing before it is read", async () => {
  const items = new Items();
  await items.reader.return();
  assertEquals([await items.reader.next(), items.opened, items.left], [END, 0, 0]);
});

Deno.test("ItemReader gives a failure to one read only, the oldest", async () => {
  const items = new Items();
  const reads = [items.reader.next(), items.reader.next()];
  const reason = new Error("broken");
  items.end({ error: reason });
  assertStrictEquals(await reads[0]?.catch((error) => error), reason);
  assertEquals([await reads[1], await items.reader.next(), items.left], [END, END, 1]);
});

Deno.test("ItemReader rejects the first read if it cannot be opened", async () => {
  const reader = new ItemReader<number>(() => {
    throw new RangeError("wrong");
  });
  await assertRejects(() => reader.next(), RangeError, "wrong");
  assertEquals(await reader.next(), END);
});

Deno.test("ItemReader is left by a loop and by await using", async () => {
  const items = new Items();
  items.come(1, 2, 3);
  for await (const item of items.reader) if (item === 2) break;
  assertEquals([items.left, await items.reader.next()], [1, END]);
  const others = new Items();
  others.come(1);
  {
    await using reader = others.reader;
    await reader.next();
  }
  assertEquals(others.left, 1);
});
