/** The worker file of the chaos servers. @module */

import { expose } from "../../workers/runtime.ts";
import { ExecutionLog } from "../checking/executions.ts";
import { badTasks } from "./bad_tasks.ts";
import { EXECUTIONS_VARIABLE } from "./settings.ts";
import { computing } from "./work_handlers.ts";

const log = new ExecutionLog(Deno.env.get(EXECUTIONS_VARIABLE) ?? "");

expose({ compute: computing(log), ...badTasks });
