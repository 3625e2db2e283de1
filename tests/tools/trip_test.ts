import { assert, assertEquals } from "../../deps/std_assert.ts";
import { ROOT } from "../../tools/tasks/root.ts";
import { countTrips, type Figures } from "../../tools/trip/figures.ts";
import { instrument } from "../../tools/trip/instrument.ts";

interface Limit {
  readonly what: string;
  readonly most: number;
  readonly of: (figures: Figures) => number;
}

/** Whoever has to raise one writes the reason beside it. */
const LIMITS: readonly Limit[] = [
  { what: "hops from call() to amqplib's publish()", most: 8, of: ({ out }) => out.count },
  // Four more: what interceptors may be around, the work of a key, and two for how long a handler takes,
  // as these trips are observed.
  { what: "hops from a delivery to the handler", most: 14, of: (figures) => figures.in.count },
  { what: "named shapes of one call", most: 14, of: ({ shapes }) => shapes.names.length },
  // Two more since there are limits of bodies to learn and a watch over the reply queue, one for the
  // frames that are written here, one for keys that hold for one
  // caller and one input, and one since requests come back by themselves (dead_letter.ts).
  // One more for what is a batch.
  // Twelve more for what is told of an observed call, states, keys and commands of operators.
  // Two more that tell replies from what servers answer of calls that are about to time out.
  // One more for options that all callers share, one for kinds of messages that later versions may have.
  // One more for the queue that a call takes, of several, and one for frames that are read here.
  // Three more for a batch of plain calls, and for what was taken out of files that were full.
  { what: "files of a call, inline handler", most: 60, of: filesOf("call, inline handler") },
  // One more for the headers that go to the worker.
  // And the same four, and three.
  { what: "files of a call, pool", most: 75, of: filesOf("call, pool") },
];

function filesOf(trip: string): Limit["of"] {
  return ({ trips }) => trips[trip]?.files ?? NaN;
}

Deno.test("A call can be followed on a short way", async () => {
  const figures = await countTrips(ROOT);
  for (const { what, most, of } of LIMITS) {
    const count = of(figures);
    assert(count <= most, `${count} ${what}, at most ${most} wanted: see \`deno task trip\``);
  }
  assertEquals(figures.shapes.unknown, [], "List them in tools/trip/shapes.ts");
  assertEquals(figures.shapes.gone, [], "Take them out of tools/trip/shapes.ts");
});

Deno.test("instrument() keeps what a function does", () => {
  const source = `
    class Cell {
      #value = 1;
      constructor() {}
      get value() { return this.#value; }
      async later() { return await (async (x: number) => ({ x }))(this.#value); }
      *items() { yield this.#value; }
    }
    const twice = (x: number) => (y: number) => x * y;
  `;
  const { text, functions } = instrument("cell.ts", source, { recorder: "recorder", firstId: 5 });
  assertEquals(functions.map(({ name }) => name), [
    "new Cell",
    "Cell.value",
    "Cell.later",
    "Cell.later λ",
    "Cell.items",
    "twice",
    "twice λ",
  ]);
  assertEquals(text.match(/__trip\.(enter|run|note)\(\d+/g)?.sort(), [
    "__trip.enter(5",
    "__trip.enter(6",
    "__trip.note(9",
    "__trip.run(10",
    "__trip.run(11",
    "__trip.run(7",
    "__trip.run(8",
  ]);
});
