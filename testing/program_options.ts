/** What the program `testing/main.ts` can be told on its command line. @module */

import { checkInteger, checkOneOf, describeValue } from "../internal/check.ts";
import {
  DEFAULT_USERS,
  LARGEST_MESSAGE_BYTES,
  MAX_SHORT,
  type TestBrokerOptions,
} from "./broker_options.ts";
import { VirtualClock } from "./clock.ts";
import { checkUser, type UserOptions, type UserPermissions } from "./model/users.ts";
import { COMPAT_VERSIONS, isCompat, rulesOf } from "./model/version_rules.ts";

/** What the program prints when it is asked for help. */
export const USAGE = `Usage: deno run --allow-net jsr:@warren/rpc/testing/main [options]
       npx @warren/rpc [options], without --control

  --port <number>              TCP port, 0 for a free one (default 5672)
  --hostname <name>            address to listen on (default 127.0.0.1)
  --compat <version>           RabbitMQ version to follow: 3.10, 4.0 or 4.3 (default 3.10)
  --user <name>:<password>     a user, may be repeated (default guest:guest)
  --vhost <name>               a virtual host besides "/", may be repeated
  --permissions "<user> <vhost> <configure> <write> <read>"
                               as rabbitmqctl set_permissions, may be repeated; a user
                               without any may do everything in every virtual host
  --heartbeat <seconds>        interval that the broker proposes, 0 for none (default 60)
  --max-message-bytes <number> largest body (default 134217728 as 3.10, else 16777216)
  --frame-max <bytes>          largest frame that the broker proposes (default 131072)
  --control <port>             port of 127.0.0.1 for the control interface, 0 for a free one
  --clock <kind>               system, or virtual: it stands until it is advanced by the
                               control interface (default system)
  --help                       this text

Exit codes: 0 when told to stop, 64 for wrong options, 69 if the port is taken, 71 if the
system does not let it listen, 77 if Deno does not.`;

/** Options that may be given more than once. */
const LISTS = ["user", "vhost", "permissions"] as const;
/** Options that may be given once. */
const SINGLES = [
  "port",
  "hostname",
  "compat",
  "heartbeat",
  "max-message-bytes",
  "frame-max",
  "control",
  "clock",
] as const;

type OptionName = typeof LISTS[number] | typeof SINGLES[number];
type Given = ReadonlyMap<OptionName, readonly string[]>;

const DEFAULT_PORT = 5672;
const ACTION = "start";

/**
 * Reads a command line; returns `undefined` if it asks for help.
 *
 * @throws {TypeError} If an option is unknown, has no value, or one that makes no sense.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function parseProgramArgs(args: readonly string[]): TestBrokerOptions | undefined {
  if (args.includes("--help")) return undefined;
  const given = readArgs(args);
  const text = (name: OptionName): string | undefined => given.get(name)?.[0];
  const compat = text("compat") ?? "3.10";
  checkOneOf(ACTION, { "--compat": compat }, COMPAT_VERSIONS);
  checkOneOf(ACTION, { "--clock": text("clock") }, ["system", "virtual"]);
  const minFrameMax = isCompat(compat) ? rulesOf(compat).minFrameMax : 0;
  const virtualHosts = given.get("vhost") ?? [];
  const options = {
    port: integerOf(given, "port", { min: 0, max: MAX_SHORT }) ?? DEFAULT_PORT,
    hostname: text("hostname"),
    compat: isCompat(compat) ? compat : undefined,
    heartbeatSeconds: integerOf(given, "heartbeat", { min: 0, max: MAX_SHORT }),
    maxMessageBytes: integerOf(given, "max-message-bytes", { min: 1, max: LARGEST_MESSAGE_BYTES }),
    frameMax: integerOf(given, "frame-max", { min: minFrameMax, max: 2 ** 31 - 1 }),
    controlPort: integerOf(given, "control", { min: 0, max: MAX_SHORT }),
    clock: text("clock") === "virtual" ? new VirtualClock() : undefined,
    users: usersOf(given, ["/", ...virtualHosts]),
    virtualHosts,
  };
  return withoutUndefined(options);
}

function readArgs(args: readonly string[]): Given {
  const given = new Map<OptionName, string[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    const [, flag = "", inline] = /^--([a-z-]+)(?:=([^]*))?$/.exec(arg) ?? [];
    const name = [...LISTS, ...SINGLES].find((known) => known === flag);
    if (name === undefined) {
      throw new TypeError(
        `Cannot start as there is no such option, see --help: ${describeValue(arg)}`,
      );
    }
    const value = inline ?? args[++index];
    if (value === undefined || (inline === undefined && value.startsWith("--"))) {
      throw new TypeError(`Cannot start as an option needs a value: "--${name}"`);
    }
    const before = given.get(name);
    if (before !== undefined && SINGLES.some((single) => single === name)) {
      throw new TypeError(`Cannot start as an option is given twice: "--${name}"`);
    }
    given.set(name, [...before ?? [], value]);
  }
  return given;
}

function integerOf(
  given: Given,
  name: OptionName,
  bounds: { readonly min: number; readonly max: number },
): number | undefined {
  const text = given.get(name)?.[0];
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : text;
  checkInteger(ACTION, { [`--${name}`]: value }, bounds);
  return Number(value);
}

/** Users without permissions of their own have all of them, everywhere. */
function usersOf(given: Given, virtualHosts: readonly string[]): readonly UserOptions[] {
  const users = given.get("user")?.map(userOf) ?? DEFAULT_USERS;
  const permissions = (given.get("permissions") ?? []).map(permissionsOf);
  for (const { user } of permissions) {
    if (users.some(({ name }) => name === user)) continue;
    throw new TypeError(
      `Cannot start as "--permissions" must be of a user that there is: ${describeValue(user)}`,
    );
  }
  return users.map((user) => {
    const own = permissions.filter((entry) => entry.user === user.name);
    const all = virtualHosts.map((virtualHost) => ({ virtualHost, rights: {} }));
    const entries = (own.length > 0 ? own : all).map(
      ({ virtualHost, rights }): [string, UserPermissions] => [virtualHost, rights],
    );
    const withRights = { ...user, permissions: Object.fromEntries(entries) };
    checkUser(ACTION, withRights);
    return withRights;
  });
}

function userOf(text: string): UserOptions {
  const [, name, password] = /^([^:]+):([^]*)$/.exec(text) ?? [];
  if (name !== undefined && password !== undefined) return { name, password };
  // Not the text: it may be a password.
  throw new TypeError(`Cannot start as "--user" must be of the form "<name>:<password>": no colon`);
}

function permissionsOf(text: string): {
  readonly user: string;
  readonly virtualHost: string;
  readonly rights: UserPermissions;
} {
  const [user, virtualHost, configure, write, read, ...rest] = text.trim().split(/\s+/);
  if (
    user !== undefined && virtualHost !== undefined && configure !== undefined &&
    write !== undefined && read !== undefined && rest.length === 0
  ) return { user, virtualHost, rights: { configure, write, read } };
  throw new TypeError(
    `Cannot start as "--permissions" must be of the form ` +
      `"<user> <vhost> <configure> <write> <read>": ${describeValue(text)}`,
  );
}

function withoutUndefined(
  options: { readonly [Name in keyof TestBrokerOptions]: TestBrokerOptions[Name] | undefined },
): TestBrokerOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
