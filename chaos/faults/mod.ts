/** All faults, in the order of the scorecard. @module */

import type { Fault } from "../fault.ts";
import { badClients, badServer } from "./checker_faults.ts";
import { serverKills } from "./server_kills.ts";

/** All rows of the suite. */
export const FAULTS: readonly Fault[] = [
  serverKills,
  badServer,
  ...badClients,
];
