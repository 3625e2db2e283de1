/**
 * Runs a task of this project: `deno run -A tools/launch.ts <task> [arguments]`.
 *
 * Nothing that this file imports may import from JSR: it is what makes such imports resolve.
 *
 * @module
 */

import { Interruption } from "./tasks/interruption.ts";
import { openJsrAccess } from "./tasks/jsr_access.ts";
import { say } from "./tasks/say.ts";
import { TASKS } from "./tasks/tasks.ts";

const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

if (import.meta.main) Deno.exit(await launch(Deno.args));

async function launch([name = "", ...args]: readonly string[]): Promise<number> {
  const task = TASKS.get(name);
  if (task === undefined) {
    say(`Cannot run the task "${name}" as there are only: ${[...TASKS.keys()].join(", ")}`);
    return EXIT_USAGE;
  }
  using interruption = Interruption.listen();
  try {
    await using jsr = await openJsrAccess();
    return await task({ args, env: jsr.env, interruption });
  } catch (error) {
    if (interruption.signal.aborted) return EXIT_INTERRUPTED;
    say(error instanceof Error ? error.message : String(error));
    return 1;
  }
}
