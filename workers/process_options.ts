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
  /** Hosts to import modules from at run time. @default {false} */
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
  const { permissions = {}, denoArgs = [] } = options;
  return [
    "run",
    "--quiet",
    "--no-prompt",
    "--preload",
    new URL("./process_main.ts", import.meta.url).href,
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
