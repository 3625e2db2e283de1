/** Options of every command: where the broker is, who asks, and how the answer is printed. @module */

import { type Command, InvalidArgumentError, Option } from "../deps/commander.ts";
import type { ConnectOptions } from "../mod.ts";
import { parseDuration } from "./duration.ts";
import { CommandError, EXIT_CODE } from "./exit_code.ts";
import { Output, type OutputFormat } from "./output.ts";
import { askPassword, canAsk } from "./ask_password.ts";
import { type Profile, readProfile } from "./profiles.ts";

/** Options that each command has. */
export interface GlobalOptions {
  readonly url?: string;
  readonly profile?: string;
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
    .option("--profile <name>", "broker of that name in the file of profiles (env WARREN_PROFILE)")
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

/** Options that say where the broker is. */
export type BrokerOptions =
  & Omit<GlobalOptions, "timeout" | "output">
  & {
    /** Whether nobody is asked for a password. */
    readonly isSilent?: true;
  };

/**
 * Finds the broker. Passwords are in the environment, in a file, or typed: everybody sees arguments.
 *
 * @throws {CommandError} If what the user says of it cannot be used.
 */
export async function brokerOf(options: BrokerOptions): Promise<Broker> {
  const profile = await profileOf(options);
  const url = parseUrl(options.url ?? profile.url ?? (Deno.env.get("AMQP_URL") || DEFAULT_URL));
  if (options.url !== undefined && url.password !== "") {
    throw new CommandError(
      EXIT_CODE.usage,
      "--url must not have a password, as everybody on this machine can read arguments: " +
        "set AMQP_URL or AMQP_PASSWORD, or give --password-file or --profile",
    );
  }
  const password = await passwordOf(url, { ...profile, ...options });
  if (password) url.password = encodeURIComponent(password);
  const { tlsCa, tlsCert, tlsKey } = { ...profile, ...options };
  const tls = {
    ...(tlsCa !== undefined && { ca: await readTextFile(tlsCa) }),
    ...(tlsCert !== undefined && { cert: await readTextFile(tlsCert) }),
    ...(tlsKey !== undefined && { key: await readTextFile(tlsKey) }),
  };
  const hasTls = Object.keys(tls).length > 0;
  return { url, options: { connectTimeoutMs: 5_000, ...(hasTls && { tls }) } };
}

/** A profile of the environment makes way for what an argument says. */
async function profileOf({ url, profile }: BrokerOptions): Promise<Profile> {
  if (url !== undefined && profile !== undefined) {
    throw new CommandError(EXIT_CODE.usage, "--url and --profile both name a broker: give one");
  }
  const name = url === undefined ? profile ?? Deno.env.get("WARREN_PROFILE") : undefined;
  return name ? await readProfile(name) : {};
}

/** The password; of none, and of one that the URL has, it is `undefined`. */
async function passwordOf(
  { username, password, host }: URL,
  { passwordFile, profile, isSilent }: BrokerOptions,
): Promise<string | undefined> {
  if (passwordFile !== undefined) {
    return (await readTextFile(passwordFile)).replace(/\r?\n$/, "");
  }
  // That of the environment is another broker's where the profile has its own.
  const isOfProfile = profile !== undefined || Deno.env.get("WARREN_PROFILE") !== undefined;
  if (password !== "" && isOfProfile) return undefined;
  const ofEnvironment = Deno.env.get("AMQP_PASSWORD");
  if (ofEnvironment) return ofEnvironment;
  if (username === "" || password !== "" || isSilent || !canAsk()) return undefined;
  return await askPassword(`Password of "${decodeURIComponent(username)}" at ${host}: `);
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
