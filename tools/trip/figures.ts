/** What a trip costs its reader. @module */

import type { SourceFunction } from "./functions.ts";
import { InstrumentedCopy } from "./instrumented_copy.ts";
import type { Way } from "./recorder.ts";
import { findShapes, type Shapes } from "./shapes.ts";

/** How far a reader goes to follow a trip. */
export interface TripFigures {
  /** How many files are entered. */
  readonly files: number;
  /** How many functions are entered. */
  readonly functions: number;
  /** How often the next function is in another file. */
  readonly moves: number;
}

/** The functions between two places. */
export interface Hops {
  readonly count: number;
  readonly names: readonly string[];
}

/** All that was counted. */
export interface Figures {
  readonly trips: Readonly<Record<string, TripFigures>>;
  /** From `RpcClient.call()` to amqplib's `publish()`; neither counts. */
  readonly out: Hops;
  /** From amqplib's delivery, which does not count, to the user's function, which does. */
  readonly in: Hops;
  /** The shapes of one call to a pool. */
  readonly shapes: Shapes;
}

interface Recorded {
  readonly entered: readonly number[];
  readonly published: readonly Way[];
  readonly arrived: readonly Way[];
}

/** Walks all trips in a copy of a checkout, and counts. */
export async function countTrips(root: URL): Promise<Figures> {
  await using copy = await InstrumentedCopy.make(root);
  const walked = await walk(copy);
  const name = (id: number) => nameOf(functionAt(copy, id));
  const inline = tripOf(walked, "call, inline handler");
  const [, ...out] = wayFrom("user", inline.published).functions.map(name);
  const way = [...wayFrom("amqplib", inline.arrived).functions.map(name), "your function"];
  const entered = new Set([...inline.entered, ...tripOf(walked, "call, pool").entered]);
  return {
    trips: Object.fromEntries(
      Object.entries(walked).map(([trip, { entered }]) => [trip, figuresOf(entered, copy)]),
    ),
    out: { count: out.length, names: out },
    in: { count: way.length, names: way },
    shapes: findShapes([...entered].map((id) => functionAt(copy, id)), copy.types),
  };
}

async function walk(copy: InstrumentedCopy): Promise<Readonly<Record<string, Recorded>>> {
  const args = ["run", "--allow-all", "--no-check", "--no-lock", "--quiet", "tools/trip/walk.ts"];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: copy.folder,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot count the trips as a trip failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

function figuresOf(entered: readonly number[], copy: InstrumentedCopy): TripFigures {
  const files = entered.map((id) => functionAt(copy, id).file);
  return {
    files: new Set(files).size,
    // The closures of one function count once.
    functions: new Set(entered.map((id) => nameOf(functionAt(copy, id)))).size,
    moves: files.filter((file, index) => index > 0 && file !== files[index - 1]).length,
  };
}

function tripOf(walked: Readonly<Record<string, Recorded>>, name: string): Recorded {
  const trip = walked[name];
  if (trip === undefined) throw new Error(`Cannot count the trip "${name}" as nobody went it`);
  return trip;
}

function wayFrom(origin: Way["origin"], ways: readonly Way[]): Way {
  const way = ways.find((way) => way.origin === origin);
  if (way === undefined) throw new Error(`Cannot count the hops as no way begins at: ${origin}`);
  return way;
}

function functionAt({ functions }: InstrumentedCopy, id: number): SourceFunction {
  const found = functions[id];
  if (found === undefined) throw new Error(`Cannot count the trips as there is no function ${id}`);
  return found;
}

function nameOf({ file, name }: SourceFunction): string {
  return `${name} (${file})`;
}
