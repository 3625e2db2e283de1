/** Options of every command: where the broker is, who asks, and how the answer is printed. @module */

import { type Command, InvalidArgumentError, Option } from "../deps/commander.ts";
import type { ConnectOptions } from "../mod.ts";
import { parseDuration } from "./duration.ts";
import { CommandError, EXIT_CODE } from "./exit_code.ts";
import { Output, type OutputFormat } from "./output.ts";

/** Options that each command has. */
export interface GlobalOptions {
  readonly url?: string;
  readonly passwordFile?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly output: OutputFormat;
  readonly json?: true;
  readonly quiet?: true;
  readonly timeout: number;
}

/** What connects a command to the broker. */
export interface Broker {
  readonly url: URL;
  readonly options: Pick<ConnectOptions, "tls" | "connectTimeoutMs" | "connectionName">;
}

/** Of a command that waits for no answers. */
export const NO_TIMEOUT = "";

const DEFAULT_URL = "amqp://127.0.0.1";

/**
 * Adds the options that each command has.
 *
 * @param timeout How long answers are waited for unless told otherwise.
 */
export function withGlobalOptions(command: Command, timeout: string = "2s"): Command {
  command
    .option("--url <url>", "broker, without a password (env AMQP_URL; default amqp://127.0.0.1)")
    .option("--password-file <file>", "file with the password (else env AMQP_PASSWORD)")
    .option("--tls-ca <file>", "certificates of the authorities that may have signed the broker's")
    .option("--tls-cert <file>", "certificate to show to the broker")
    .option("--tls-key <file>", "key of that certificate")
    .addOption(
      new Option("-o, --output <format>", "how data is printed")
        .choices(["text", "json", "jsonl", "none"]).default("text"),
    )
    .option("-j, --json", "the same as --output json")
    .option("-q, --quiet", "no words on stderr but errors");
  return timeout === NO_TIMEOUT ? command : command.addOption(
    new Option("--timeout <time>", "how long answers are waited for")
      .argParser(parseDuration).default(parseDuration(timeout), timeout),
  );
}

/** Makes what a command prints with. */
export function outputOf({ output, json, quiet }: Omit<GlobalOptions, "timeout">): Output {
  return new Output(json ? "json" : output, quiet ?? false);
}

/** Finds the broker. Passwords are in the environment or in a file: everybody sees arguments. */
export async function brokerOf(options: Omit<GlobalOptions, "timeout">): Promise<Broker> {
  const url = parseUrl(options.url ?? (Deno.env.get("AMQP_URL") || DEFAULT_URL));
  if (options.url !== undefined && url.password !== "") {
    throw new CommandError(
      EXIT_CODE.usage,
      "--url must not have a password, as everybody on this machine can read arguments: " +
        "set AMQP_URL or AMQP_PASSWORD, or give --password-file",
    );
  }
  const password = options.passwordFile === undefined
    ? Deno.env.get("AMQP_PASSWORD")
    : (await readTextFile(options.passwordFile)).replace(/\r?\n$/, "");
  if (password) url.password = encodeURIComponent(password);
  const tls = {
    ...(options.tlsCa !== undefined && { ca: await readTextFile(options.tlsCa) }),
    ...(options.tlsCert !== undefined && { cert: await readTextFile(options.tlsCert) }),
    ...(options.tlsKey !== undefined && { key: await readTextFile(options.tlsKey) }),
  };
  const hasTls = Object.keys(tls).length > 0;
  return { url, options: { connectTimeoutMs: 5_000, ...(hasTls && { tls }) } };
}

/**
 * Reads a file that the user named.
 *
 * @throws {CommandError} If it cannot be read.
 */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound ? "it does not exist" : String(error);
    throw new CommandError(EXIT_CODE.data, `Cannot read the file "${path}" as ${reason}`);
  }
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    // It may have a password.
    throw new CommandError(
      EXIT_CODE.usage,
      "The URL of the broker cannot be read: write amqp://host",
    );
  }
}

/** Reads an integer of at least 1. */
export function parseLeastOne(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be an integer of at least 1.");
}
