/** What the user of `deno task chaos` asks for. @module */

import { parseArgs } from "../deps/std_cli.ts";
import {
  isRabbitmqVersion,
  RABBITMQ_VERSIONS,
  type RabbitmqVersion,
} from "../tools/brokers/rabbitmq_versions.ts";

/** Options of a run. */
export interface ChaosOptions {
  /** Time of all rows together, in minutes. */
  readonly minutes: number;
  readonly seed: number;
  /** Ids of the rows to run; `undefined` is all. */
  readonly only: readonly string[] | undefined;
  /** Release of RabbitMQ to start; `undefined` is the one that is installed. */
  readonly broker: RabbitmqVersion | undefined;
  /** File of the report. */
  readonly report: string;
  /** Whether to run as CI does, with few faults. */
  readonly isShort: boolean;
  /** Whether clients and servers share connections. */
  readonly isShared: boolean;
  /** Whether docs/chaos.md is to show the figures of this run. */
  readonly isKept: boolean;
}

/** The help text. */
export const USAGE = `Usage: deno task chaos [options]

Breaks brokers, networks and servers under load, and checks every call.

  --minutes N    time of all rows together, from 1 to 600 (default: 10)
  --seed N       whole number that all random choices follow from (default: another each time)
  --only R1,R6   only these rows (default: all)
  --broker 4.3   release of RabbitMQ: 3.10, 4.0 or 4.3 (default: the installed one)
  --report FILE  where the report goes (default: chaos-report.json)
  --short        few faults and generous limits of time, as in CI
  --shared       clients and servers share connections, as with RpcConnection
  --write        keeps the report in chaos/results.json, and its figures in docs/chaos.md
  --help         this text

Exit code: 0 if all rows are as they must be, 1 if not, 2 for bad arguments, 130 after Ctrl-C.`;

const NAMES = ["minutes", "seed", "only", "broker", "report"] as const;
const FLAGS = ["short", "shared", "write", "help"] as const;
const MAX_SEED = 2 ** 32 - 1;

/**
 * Reads the arguments.
 *
 * @param known The ids of all rows.
 * @returns The options, or `"help"`.
 * @throws {TypeError} If an argument cannot be used.
 */
export function readCommandLine(
  given: readonly string[],
  known: readonly string[],
): ChaosOptions | "help" {
  const args = parseArgs([...given], { string: NAMES, boolean: FLAGS });
  if (args.help) return "help";
  const [unknown] = [
    ...args._.map(String),
    ...Object.keys(args).filter((name) => !["_", ...FLAGS, ...NAMES].includes(name))
      .map((name) => `--${name}`),
  ];
  if (unknown !== undefined) throw new TypeError(`Cannot run as "${unknown}" is no option`);
  const only = args.only === undefined ? undefined : readIds(args.only, known);
  const minutes = readNumber("minutes", args.minutes ?? "10", { min: 1, max: 600 });
  const seed = args.seed === undefined
    ? Math.floor(Math.random() * MAX_SEED)
    : readNumber("seed", args.seed, { min: 0, max: MAX_SEED });
  if (!Number.isInteger(seed)) throw new TypeError(`Cannot run as --seed must be whole: ${seed}`);
  const broker = args.broker === undefined ? undefined : readBroker(args.broker);
  const { report = "chaos-report.json", short: isShort, shared: isShared, write: isKept } = args;
  if (report === "") throw new TypeError("Cannot run as --report names no file");
  if (isKept && (isShort || only !== undefined)) {
    throw new TypeError("Cannot run as --write is for all rows with their full counts");
  }
  return { minutes, seed, only, broker, report, isShort, isShared, isKept };
}

function readNumber(
  name: string,
  text: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (value >= min && value <= max) return value;
  throw new TypeError(
    `Cannot run as --${name} must be a number from ${min} to ${max}: current value is "${text}"`,
  );
}

function readBroker(text: string): RabbitmqVersion {
  if (isRabbitmqVersion(text)) return text;
  throw new TypeError(
    `Cannot run as --broker must be one of ${
      RABBITMQ_VERSIONS.join(", ")
    }: current value is "${text}"`,
  );
}

function readIds(text: string, known: readonly string[]): string[] {
  const ids = text.split(",").map((id) => id.trim().toUpperCase());
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown === undefined) return ids;
  throw new TypeError(`Cannot run as there is no row "${unknown}": rows are ${known.join(", ")}`);
}
