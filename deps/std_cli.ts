/** Command-line arguments and the progress bar; examples and tools only. @module */

export { parseArgs } from "jsr:@std/cli@^1.0.27/parse-args";
export { ProgressBar } from "jsr:@std/cli@^1.0.27/unstable-progress-bar";
