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

import { EXIT_CODE } from "./exit_code.ts";
import { runProgram } from "./program.ts";

if (import.meta.main) {
  Deno.addSignalListener("SIGINT", () => Deno.exit(EXIT_CODE.interrupted));
  Deno.exit(await runProgram(Deno.args));
}
