/** The worker of the trips to a pool. @module */

import { expose } from "../../workers/runtime.ts";

expose({ poolEcho: (input: unknown) => input });
