/** A copy of the sources in a temporary folder, whose functions tell when they are entered. @module */

import { declaredTypes, parse, type SourceFunction, type SourceType } from "./functions.ts";
import { instrument } from "./instrument.ts";

/** What goes into the copy of this folder: the trips, and what records them. */
const OWN_FILES = ["amqplib_marks.ts", "echo_worker.ts", "recorder.ts", "trips.ts", "walk.ts"];

/** What users do not import. */
const OUTSIDE_REGEXP = /^(tests|bench|chaos|examples|tools|docs|node_modules|\.)/;
/** What the copy needs and nobody counts: the embedded broker, and the packages of others. */
const UNCOUNTED_REGEXP = /^(testing|deps)\//;
const AMQPLIB_PATH = "deps/amqplib.ts";

/** An instrumented copy; disposing of it removes it. */
export class InstrumentedCopy implements AsyncDisposable {
  /** Its folder. */
  readonly folder: URL;
  /** Its functions, by their numbers. */
  readonly functions: SourceFunction[] = [];
  /** The types that its sources declare, by name. */
  readonly types: Map<string, SourceType> = new Map();

  private constructor(folder: string) {
    this.folder = new URL(`file://${folder}/`);
  }

  /** Copies the sources of a checkout. */
  static async make(root: URL): Promise<InstrumentedCopy> {
    const copy = new InstrumentedCopy(await Deno.makeTempDir({ prefix: "trip_" }));
    await using stack = new AsyncDisposableStack();
    stack.use(copy);
    for (const file of OWN_FILES) {
      await copy.#write(`tools/trip/${file}`, await readText(new URL(file, import.meta.url)));
    }
    for await (const path of sourcePaths(root)) {
      const text = await readText(new URL(path, root));
      if (path === AMQPLIB_PATH) await copy.#writeAmqplib(text);
      else if (UNCOUNTED_REGEXP.test(path)) await copy.#write(path, text);
      else await copy.#instrument(path, text);
    }
    stack.move();
    return copy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }

  async #instrument(path: string, source: string): Promise<void> {
    const recorder = new URL("tools/trip/recorder.ts", this.folder).href;
    const options = { recorder, firstId: this.functions.length };
    const { text, functions } = instrument(path, source, options);
    this.functions.push(...functions);
    for (const type of declaredTypes(parse(path, source))) this.types.set(type.name, type);
    await this.#write(path, text);
  }

  async #writeAmqplib(text: string): Promise<void> {
    await this.#write("deps/amqplib_itself.ts", text);
    await this.#write(
      AMQPLIB_PATH,
      `export * from "./amqplib_itself.ts";
      import { connect as open } from "./amqplib_itself.ts";
      import { watchModel } from "../tools/trip/amqplib_marks.ts";
      export const connect = async (...args) => watchModel(await open(...args));`,
    );
  }

  async #write(path: string, text: string): Promise<void> {
    const file = new URL(path, this.folder);
    await Deno.mkdir(new URL("./", file), { recursive: true });
    await Deno.writeTextFile(file, text);
  }
}

async function* sourcePaths(root: URL, folder = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    const path = `${folder}${name}`;
    if (OUTSIDE_REGEXP.test(path)) continue;
    if (isDirectory) yield* sourcePaths(root, `${path}/`);
    else if (name.endsWith(".ts")) yield path;
  }
}

async function readText(url: URL): Promise<string> {
  return await Deno.readTextFile(url);
}
