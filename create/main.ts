// deno-lint-ignore-file no-console -- a program tells its user what it does
/**
 * Writes a new service into a folder: a contract, a worker file, a server, a client, a test that needs
 * no RabbitMQ, and what it takes to deploy it.
 *
 * ```sh
 * deno create jsr:@warren/rpc -- my-service
 * ```
 *
 * @module
 */

import { createService } from "./create_service.ts";

const USAGE = `Usage: deno create jsr:@warren/rpc -- FOLDER
       deno run --allow-read --allow-write jsr:@warren/rpc/create FOLDER

Writes a new service into FOLDER, which is made if it is not there. Files that exist are not
replaced: then nothing is written.

Exit codes: 0 when the files are written, 64 for a wrong command line, 73 if they cannot be.`;

if (import.meta.main) Deno.exitCode = await main(Deno.args);

async function main(args: readonly string[]): Promise<number> {
  const [folder] = args;
  if (args.length !== 1 || folder === undefined || folder.startsWith("-")) {
    const isHelp = args.length === 1 && (folder === "--help" || folder === "-h");
    if (isHelp) console.log(USAGE);
    else console.error(USAGE);
    return isHelp ? 0 : 64;
  }
  try {
    const names = await createService(folder);
    console.log(`Written into ${folder}: ${names.join(", ")}\n`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 73;
  }
  console.log(`Now, with three terminals in ${folder}:

  deno task test     # the test, without RabbitMQ
  deno task broker   # a broker for development, until Ctrl-C
  deno task server   # the service, until Ctrl-C
  deno task client   # calls it`);
  return 0;
}
