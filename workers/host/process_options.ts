/**
 * Options of workers that are processes of their own.
 *
 * @module
 */

/** What a permission allows: nothing, everything, or what is listed. */
export type PermissionScope = boolean | readonly string[];

/** What a worker process may do. Its own modules load without any permission. */
export interface ProcessPermissions {
  /** Environment variables. @default {false} */
  readonly env?: PermissionScope;
  /** Native libraries; these break out of every limit. @default {false} */
  readonly ffi?: PermissionScope;
  /**
   * Hosts to import modules from.
   *
   * @default {those that Deno allows by itself, and those of this package and of the worker file}
   */
  readonly import?: PermissionScope;
  /** Hosts to talk to. @default {false} */
  readonly net?: PermissionScope;
  /** Files and folders to read. @default {false} */
  readonly read?: PermissionScope;
  /** Programs to run; these break out of every limit. @default {false} */
  readonly run?: PermissionScope;
  /** Facts about the system. @default {false} */
  readonly sys?: PermissionScope;
  /** Files and folders to write. @default {false} */
  readonly write?: PermissionScope;
}

/** Options for `isolation: "process"`. */
export interface ProcessOptions {
  /**
   * What the workers may do.
   *
   * @default {{}} Nothing but compute.
   */
  readonly permissions?: ProcessPermissions;
  /**
   * Further arguments for `deno run`, such as `["--config", "/srv/deno.json"]`.
   *
   * @default {[]}
   */
  readonly denoArgs?: readonly string[];
}

/**
 * The arguments of `deno` that run a worker file.
 *
 * @param url The absolute URL of the worker file.
 * @param options Permissions and more.
 * @param maxMemoryMb The most heap that V8 may use, in MiB.
 * @returns The arguments.
 */
export function denoArguments(
  url: string,
  options: ProcessOptions,
  maxMemoryMb: number | undefined,
): string[] {
  const { denoArgs = [] } = options;
  const permissions = { import: importHosts(url), ...options.permissions };
  return [
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
}

function permissionArgument([name, scope]: [string, PermissionScope | undefined]): string[] {
  if (scope === undefined || scope === false) return [];
  if (scope === true) return [`--allow-${name}`];
  return scope.length === 0 ? [] : [`--allow-${name}=${scope.join(",")}`];
}

/** What Deno allows to import from if it is not told otherwise. */
const DEFAULT_IMPORT_HOSTS = [
  "deno.land",
  "jsr.io",
  "esm.sh",
  "raw.esm.sh",
  "cdn.jsdelivr.net",
  "raw.githubusercontent.com",
  "gist.githubusercontent.com",
];

/** Only needed where a module comes from a host that Deno does not know. */
function importHosts(url: string): string[] | undefined {
  const urls = [new URL(import.meta.url), new URL(url)];
  const own = urls.filter(({ protocol }) => protocol.startsWith("http")).map(({ host }) => host);
  if (own.every((host) => DEFAULT_IMPORT_HOSTS.includes(host))) return undefined;
  return [...new Set([...DEFAULT_IMPORT_HOSTS, ...own])];
}
