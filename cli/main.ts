/**
 * `warren`, the command line: calls procedures, and watches and operates their servers.
 *
 * ```sh
 * deno install --global --name warren --allow-net --allow-env --allow-read jsr:@warren/rpc/cli
 * warren --help
 * ```
 *
 * @module
 */

import { runProgram } from "./program.ts";

if (import.meta.main) {
  Deno.exit(await runProgram(Deno.args));
}
