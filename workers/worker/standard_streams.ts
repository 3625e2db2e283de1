/**
 * The standard streams of a worker process. Input and output belong to the messages of its pool, so
 * the worker file gets others: its input is empty, and what it prints goes to standard error.
 *
 * @module
 */

/** The streams that the worker file does not get. */
export interface StandardStreams {
  readonly input: ReadableStream<Uint8Array>;
  /** Writes to standard output; returns how many bytes it took. */
  readonly write: (bytes: Uint8Array) => number;
}

/** Methods that need no more than another place to print to. */
const PRINT_METHODS = ["log", "info", "debug"] as const;

/** Methods whose form only a console knows; one that prints to standard error is made for them. */
const FORM_METHODS = [
  "count",
  "countReset",
  "dir",
  "dirxml",
  "table",
  "time",
  "timeEnd",
  "timeLog",
] as const;

/** Takes the streams, and leaves others in their place. */
export function takeStandardStreams(): StandardStreams {
  const { stdin, stdout, stderr } = Deno;
  const streams = { input: stdin.readable, write: stdout.writeSync.bind(stdout) };
  replace(stdin, {
    read: () => Promise.resolve(null),
    readSync: () => null,
  }, () => ReadableStream.from<Uint8Array>([]));
  replace(stdout, {
    write: stderr.write.bind(stderr),
    writeSync: stderr.writeSync.bind(stderr),
  }, () => stderr.writable);
  redirectConsole();
  return streams;
}

function redirectConsole(): void {
  const own = console;
  for (const name of PRINT_METHODS) own[name] = own.error;
  own.clear = () => {};
  let other: Console | undefined;
  for (const name of FORM_METHODS) {
    own[name] = (...args: unknown[]) => {
      other ??= errorConsole();
      Reflect.apply(other[name], other, args);
    };
  }
}

/** What is used here of Node's `process`, which takes milliseconds to load. */
interface NodeProcess {
  readonly stderr: unknown;
  getBuiltinModule(name: "node:console"): { readonly Console: new (stdout: unknown) => Console };
}

function errorConsole(): Console {
  // Deno has it, and says so only in the types of Node's modules.
  const process = Reflect.get(globalThis, "process") as NodeProcess;
  const { Console } = process.getBuiltinModule("node:console");
  return new Console(process.stderr);
}

/** Replaces the methods of a stream, and the stream of the standard that it offers. */
function replace(
  stream: typeof Deno.stdin | typeof Deno.stdout,
  methods: Readonly<Record<string, unknown>>,
  open: () => ReadableStream<Uint8Array> | WritableStream<Uint8Array>,
): void {
  Object.assign(stream, methods);
  const name = "readable" in stream ? "readable" : "writable";
  Object.defineProperty(stream, name, { get: open });
}
