/**
 * `deno task docs:cli [--check]`: makes the part of docs/cli.md that tells the commands.
 *
 * @module
 */

import { COMMANDS_PAGE, withCommands } from "./commands_page.ts";

const page = await Deno.readTextFile(COMMANDS_PAGE);
const wanted = await withCommands(page);
if (page === wanted) {
  console.log("docs/cli.md is as it should be");
} else if (Deno.args.includes("--check")) {
  console.error("docs/cli.md differs from the help texts: deno task docs:cli makes it anew");
  Deno.exit(1);
} else {
  await Deno.writeTextFile(COMMANDS_PAGE, wanted);
  console.log("docs/cli.md is made anew");
}
