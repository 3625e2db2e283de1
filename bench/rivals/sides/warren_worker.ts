/** The procedures of the comparison, in workers of ours. @module */

import { expose } from "../../../workers/runtime.ts";
import { procedures } from "./procedures.js";

expose({ echo: procedures.echo, busy: procedures.busy });
