/** Walks all trips in an instrumented copy, and prints what was recorded as JSON. @module */

import { clear, count, recorded } from "./recorder.ts";
import { TRIPS } from "./trips.ts";

/** How long nothing may be entered before a trip counts as over. */
const QUIET_MS = 40;

const walked: Record<string, ReturnType<typeof recorded>> = {};
for (const [name, trip] of TRIPS) {
  await trip(async (action) => {
    await whenQuiet();
    clear();
    await action();
    await whenQuiet();
    walked[name] = recorded();
  });
}
console.log(JSON.stringify(walked));

/** What is acknowledged, confirmed and counted after the end is part of a trip, too. */
async function whenQuiet(): Promise<void> {
  for (let before = -1; before !== count();) {
    before = count();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}
