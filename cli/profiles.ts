/** Brokers by name, in a file of the user's: `--profile prod`. @module */

import { dirname, join, resolve } from "node:path";
import { CommandError, EXIT_CODE } from "./exit_code.ts";

/** What a profile may say. Paths are as seen from its file. */
export interface Profile {
  readonly url?: string;
  readonly passwordFile?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

const MEMBERS: Readonly<Record<keyof Profile, "text" | "path">> = {
  url: "text",
  passwordFile: "path",
  tlsCa: "path",
  tlsCert: "path",
  tlsKey: "path",
};

/** What others may do with a file, of its mode. */
const OTHERS_READ = 0o044;

/**
 * Reads a profile.
 *
 * @throws {CommandError} If there is none of that name, or it cannot be used.
 */
export async function readProfile(name: string): Promise<Profile> {
  const path = profilesPath();
  const profiles = await readProfiles(path);
  const found = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (found === undefined) {
    const names = Object.keys(profiles).toSorted();
    throw new CommandError(
      EXIT_CODE.usage,
      `There is no profile "${name}" in "${path}"` +
        (names.length === 0 ? "" : `: it has ${names.join(", ")}`),
    );
  }
  const profile = checkProfile(found, { name, path });
  if (profile.url !== undefined && URL.parse(profile.url)?.password) await refuseReaders(path);
  return profile;
}

/** `WARREN_PROFILES`, or where the system keeps settings. */
function profilesPath(): string {
  const given = Deno.env.get("WARREN_PROFILES");
  if (given) return given;
  const folder = Deno.build.os === "windows"
    ? Deno.env.get("APPDATA")
    : Deno.env.get("XDG_CONFIG_HOME") || join(Deno.env.get("HOME") ?? "", ".config");
  return join(folder ?? "", "warren", "profiles.json");
}

async function readProfiles(path: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    const words = error instanceof Error ? error.message : String(error);
    throw unreadable(path, isMissing ? "it does not exist" : words, EXIT_CODE.data);
  }
  const value = parse(text);
  if (isObject(value)) return value;
  throw unreadable(path, value === undefined ? "it is not JSON" : "it is not an object");
}

/** What JSON.parse says of what is none quotes the file, which may have a password. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreadable(path: string, reason: string, code: number = EXIT_CODE.misconfigured) {
  return new CommandError(code, `Cannot read the profiles "${path}" as ${reason}`);
}

function checkProfile(
  found: unknown,
  { name, path }: { readonly name: string; readonly path: string },
): Profile {
  const refuse = (reason: string) =>
    new CommandError(
      EXIT_CODE.misconfigured,
      `Cannot use the profile "${name}" of "${path}" as ${reason}`,
    );
  if (!isObject(found)) throw refuse("it is not an object");
  const entries = Object.entries(found).map(([member, value]) => {
    if (!Object.hasOwn(MEMBERS, member)) {
      throw refuse(`"${member}" is none of ${Object.keys(MEMBERS).join(", ")}`);
    }
    if (typeof value !== "string") throw refuse(`"${member}" is not a text`);
    const isPath = MEMBERS[member as keyof Profile] === "path";
    return [member, isPath ? resolve(dirname(path), value) : value];
  });
  return Object.fromEntries(entries);
}

/** As ssh does with keys: a password in a file is its owner's only. */
async function refuseReaders(path: string): Promise<void> {
  const { mode } = await Deno.stat(path);
  if (mode === null || (mode & OTHERS_READ) === 0) return;
  throw new CommandError(
    EXIT_CODE.misconfigured,
    `Cannot use the profiles "${path}" as others may read the passwords in them: chmod 600 helps`,
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
