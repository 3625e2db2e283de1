import { assert, assertEquals, assertThrows } from "../../../../deps/std_assert.ts";
import {
  FileStore,
  type IdempotencyStore,
  MemoryStore,
} from "../../../../extras/idempotency/mod.ts";

/** A store, and another one that shares its keys, as another server has it. */
interface Stores extends Disposable {
  readonly mine: IdempotencyStore;
  readonly theirs: IdempotencyStore;
}

const MAKERS: Readonly<Record<string, () => Stores>> = {
  MemoryStore() {
    const store = new MemoryStore();
    return { mine: store, theirs: store, [Symbol.dispose]() {} };
  },
  FileStore() {
    const folder = Deno.makeTempDirSync();
    const [mine, theirs] = [1, 2].map(() => new FileStore(`${folder}/keys.db`));
    if (mine === undefined || theirs === undefined) throw new TypeError("Cannot happen");
    return {
      mine,
      theirs,
      [Symbol.dispose]() {
        mine[Symbol.dispose]();
        theirs[Symbol.dispose]();
        Deno.removeSync(folder, { recursive: true });
      },
    };
  },
};

const claim = (owner: string, input = "digest", key = "shop\n=me\npay\norder 7") => {
  return { key, input, owner };
};

for (const [name, make] of Object.entries(MAKERS)) {
  Deno.test(`${name} gives work to one owner until it is done or freed`, async () => {
    using stores = make();
    const { mine, theirs } = stores;
    assertEquals(await mine.claim(claim("a"), 60_000), { state: "claimed" });
    assertEquals(await mine.claim(claim("a"), 60_000), { state: "claimed" });
    assertEquals(await theirs.claim(claim("b", "other"), 60_000), {
      state: "running",
      input: "digest",
    });
    assertEquals(await theirs.claim(claim("b", "x", "another key"), 60_000), { state: "claimed" });
    await theirs.release(claim("b"));
    assertEquals((await theirs.claim(claim("b"), 60_000)).state, "running");
    await mine.release(claim("a"));
    assertEquals(await theirs.claim(claim("b"), 60_000), { state: "claimed" });
  });

  Deno.test(`${name} gives all of an output back, and keeps it from others`, async () => {
    using stores = make();
    const { mine, theirs } = stores;
    const outputs = [
      { body: '"é€𝄞"', contentType: "application/json" },
      { body: Uint8Array.of(0, 255), contentType: "application/octet-stream" },
      { body: "", contentType: "application/json", headers: { cost: 1.5, cached: true, by: "é" } },
    ];
    for (const [index, output] of outputs.entries()) {
      const of = (owner: string) => claim(owner, "digest", `key ${index}`);
      await mine.claim(of("a"), 60_000);
      await theirs.keep(of("b"), { body: "theirs", contentType: "x" }, 60_000);
      await mine.keep(of("a"), output, 60_000);
      await theirs.release(of("a"));
      const found = await theirs.claim(of("b"), 60_000);
      assertEquals(found, { state: "done", input: "digest", output });
      assertEquals((await mine.claim(of("a"), 60_000)).state, "done");
    }
  });

  Deno.test(`${name} frees what its server has left, and outputs that are too old`, async () => {
    using stores = make();
    const { mine, theirs } = stores;
    await mine.claim(claim("a"), -1);
    assertEquals(await theirs.claim(claim("b", "other"), 60_000), { state: "claimed" });
    // Too late: it is another's.
    await mine.keep(claim("a"), { body: "1", contentType: "x" }, 60_000);
    assertEquals((await mine.claim(claim("c"), 60_000)).state, "running");
    await theirs.keep(claim("b"), { body: "2", contentType: "x" }, -1);
    assertEquals(await mine.claim(claim("c"), 60_000), { state: "claimed" });
  });
}

Deno.test("MemoryStore drops the oldest keys beyond maxEntries", () => {
  const store = new MemoryStore({ maxEntries: 2 });
  for (const key of ["a", "b", "c"]) store.claim(claim("me", "digest", key), 60_000);
  const states = ["b", "c", "a"].map((key) => store.claim(claim("other", "digest", key), 60_000));
  assertEquals(states.map(({ state }) => state), ["running", "running", "claimed"]);
});

Deno.test("FileStore keeps outputs beyond its program, and no old ones for ever", () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/keys.db`;
  {
    using store = new FileStore(path);
    for (let n = 0; n < 400; n++) {
      store.claim(claim("a", "digest", `key ${n}`), 60_000);
      store.keep(
        claim("a", "digest", `key ${n}`),
        { body: "1", contentType: "x" },
        n > 0 ? -1 : 60_000,
      );
    }
  }
  using store = new FileStore(path);
  assertEquals(store.claim(claim("b", "digest", "key 0"), 60_000).state, "done");
  assert(Deno.statSync(path).size < 200_000);
  store[Symbol.dispose]();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("FileStore refuses a file that is none of its own", () => {
  const path = Deno.makeTempFileSync();
  Deno.writeTextFileSync(path, "no database".repeat(1_000));
  assertThrows(() => new FileStore(path), Error, "not a database");
  Deno.removeSync(path);
});
