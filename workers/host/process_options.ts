/**
 * Options of workers that are processes of their own.
 *
 * @module
 */

import { checkOneOf, checkTexts, checkType, wrongValue } from "../../internal/check.ts";
import { toPrintable } from "../../internal/text.ts";

/** What a permission allows: nothing, everything, or what is listed. */
export type PermissionScope = boolean | readonly string[];

/** What a worker process may do. Its own modules load without any permission. */
export interface ProcessPermissions {
  /**
   * Environment variables. A process gets those that are listed, and those that Deno itself needs:
   * its folders, proxies, registries, the language and the time zone. With `true`, or a name that
   * ends with `*`, it gets all that this program has.
   *
   * @default {false}
   */
  readonly env?: PermissionScope | undefined;
  /** Native libraries; these break out of every limit. @default {false} */
  readonly ffi?: PermissionScope | undefined;
  /**
   * Hosts to import modules from. It may import from hosts of its own choice at any time, and so
   * tell them something: list no more than the worker file needs.
   *
   * @default {jsr.io and what `JSR_URL` names, if this program may read that variable, and the hosts
   * of this package and of the worker file}
   */
  readonly import?: PermissionScope | undefined;
  /** Hosts to talk to. @default {false} */
  readonly net?: PermissionScope | undefined;
  /** Files and folders to read. @default {false} */
  readonly read?: PermissionScope | undefined;
  /** Programs to run; these break out of every limit. @default {false} */
  readonly run?: PermissionScope | undefined;
  /** Facts about the system. @default {false} */
  readonly sys?: PermissionScope | undefined;
  /** Files and folders to write. @default {false} */
  readonly write?: PermissionScope | undefined;
}

/** Options for `isolation: "process"`. */
export interface ProcessOptions {
  /**
   * What the workers may do.
   *
   * @default {{}} Nothing but compute.
   */
  readonly permissions?: ProcessPermissions | undefined;
  /**
   * Further arguments for `deno run`, such as `["--config", "/srv/deno.json"]`.
   *
   * @default {[]}
   */
  readonly denoArgs?: readonly string[] | undefined;
}

/** A program and its arguments. */
export interface ProcessCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** What Deno, and the programs that a worker may run, need of the environment. */
const KEPT_VARIABLES = [
  "DENO_CERT",
  "DENO_DIR",
  "DENO_TLS_CA_STORE",
  "HOME",
  "HTTPS_PROXY",
  "HTTP_PROXY",
  "JSR_URL",
  "LANG",
  "LC_ALL",
  "LD_LIBRARY_PATH",
  "NO_COLOR",
  "NO_PROXY",
  "NPM_CONFIG_REGISTRY",
  "PATH",
  "SSL_CERT_FILE",
  "TMPDIR",
  "TZ",
  "XDG_CACHE_HOME",
  "http_proxy",
  "https_proxy",
  "no_proxy",
];

/** Source: RFC 2606, reserved names; `--deny-import` alone denies nothing in Deno 2.9. */
const NO_HOST = "none.invalid";

const VARIABLE_REGEXP = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What may be allowed. */
const PERMISSIONS: readonly (keyof ProcessPermissions)[] = [
  "env",
  "ffi",
  "import",
  "net",
  "read",
  "run",
  "sys",
  "write",
];

/**
 * Checks the options of worker processes.
 *
 * @param action What cannot be done otherwise.
 * @param process The options.
 * @throws {TypeError} If one cannot be used.
 */
export function checkProcessOptions(action: string, process: ProcessOptions): void {
  checkType(action, { process }, "object");
  const { permissions = {}, denoArgs } = process;
  checkTexts(action, { "process.denoArgs": denoArgs });
  checkType(action, { "process.permissions": permissions }, "object");
  for (const [permission, scope] of Object.entries<unknown>({ ...permissions })) {
    checkOneOf(action, { "process.permissions": permission }, PERMISSIONS);
    const name = `process.permissions.${permission}`;
    if (Array.isArray(scope)) checkTexts(action, { [name]: scope });
    else if (scope !== undefined && typeof scope !== "boolean") {
      throw new TypeError(wrongValue(action, [name, scope], "true, false or a list of texts"));
    }
  }
}

/**
 * The command that runs a worker file.
 *
 * @param url The absolute URL of the worker file.
 * @param options Permissions and more.
 * @param maxMemoryMb The most heap that V8 may use, in MiB.
 * @returns The command.
 * @throws {TypeError} If a variable's name is none, or this program holds no Deno that could run it.
 */
export function processCommand(
  url: string,
  options: ProcessOptions,
  maxMemoryMb: number | undefined,
): ProcessCommand {
  if (Deno.build.standalone) {
    // Its executable is itself, and would start itself, again and again.
    throw new TypeError(
      'Cannot open a pool of processes in a program that "deno compile" made as there is no Deno to ' +
        'run them: take isolation "thread", or run the program with Deno',
    );
  }
  const { denoArgs = [] } = options;
  const permissions = { import: importHosts(url), ...options.permissions };
  const args = [
    "run",
    "--quiet",
    "--no-prompt",
    "--preload",
    new URL("../worker/process_main.ts", import.meta.url).href,
    ...(maxMemoryMb === undefined ? [] : [`--v8-flags=--max-old-space-size=${maxMemoryMb}`]),
    ...Object.entries(permissions).flatMap(permissionArgument),
    ...denoArgs,
    url,
  ];
  return inEnvironment(Deno.execPath(), args, permissions.env);
}

/**
 * A shell leaves out what the process is not to have: so this program needs no permission to look at
 * its own environment.
 */
function inEnvironment(
  program: string,
  args: readonly string[],
  scope: PermissionScope = false,
): ProcessCommand {
  const names = typeof scope === "boolean" ? [] : scope;
  const isWhole = scope === true || names.some((name) => name.endsWith("*"));
  // Windows has no shell for this.
  if (isWhole || Deno.build.os === "windows") return { program, args };
  const kept = [...new Set([...KEPT_VARIABLES, ...names])].map((name) => {
    if (VARIABLE_REGEXP.test(name)) return `\${${name}+"${name}=$${name}"}`;
    throw new TypeError(
      'Cannot open a pool as "permissions.env" must list names of variables: ' +
        `one of them is "${toPrintable(name)}"`,
    );
  });
  const script = `exec env -i ${kept.join(" ")} "$@"`;
  return { program: "sh", args: ["-c", script, "sh", program, ...args] };
}

function permissionArgument([name, scope]: [string, PermissionScope | undefined]): string[] {
  if (scope === true) return [`--allow-${name}`];
  const isNone = scope === undefined || scope === false || scope.length === 0;
  // Of hosts to import from, Deno allows some unless others are named.
  if (isNone) return name === "import" ? [`--allow-import=${NO_HOST}`] : [];
  return [`--allow-${name}=${scope.join(",")}`];
}

/** Only what the package and the worker file are likely to be made of. */
function importHosts(url: string): string[] {
  const urls = [import.meta.url, url, jsrUrl()].map((url) => new URL(url));
  const own = urls.filter(({ protocol }) => protocol.startsWith("http")).map(({ host }) => host);
  return [...new Set(["jsr.io", ...own])];
}

/** Where `jsr:` imports come from, as far as this program may know. */
function jsrUrl(): string {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "JSR_URL" });
  const mirror = state === "granted" ? Deno.env.get("JSR_URL") : undefined;
  return mirror !== undefined && URL.canParse(mirror) ? mirror : "https://jsr.io";
}
