/** The command line as a whole: its commands, their help, and how it ends. @module */

import { Command, CommanderError } from "../deps/commander.ts";
import { addBench } from "./calling/bench/bench.ts";
import { addCall } from "./calling/call.ts";
import { addCompletions } from "./completions.ts";
import { addTypes } from "./contracts/types.ts";
import { complain, writeAll } from "./output.ts";
import { EXIT_CODE, exitCodeOf } from "./exit_code.ts";
import { addChanges } from "./operating/changes.ts";
import { addEvents } from "./operating/events.ts";
import { addDoctor } from "./operating/doctor.ts";
import { addQuestions } from "./operating/questions.ts";
import { addTop } from "./operating/top/top.ts";
import { addBroker } from "./serving/broker.ts";
import { addServe } from "./serving/serve.ts";
import { addDefinitions } from "./serving/definitions.ts";
import { addParked } from "./parked/parked.ts";

const VERSION = "0.2.0";

const EPILOGUE = `
Data goes to stdout, words to stderr. The broker is --url or AMQP_URL; passwords are never arguments.
Exit codes: 0 done, 1 the handler failed, 3 done in part, 64 usage, 65 bad input, 69 nobody there,
70 a bug, 75 try again, 77 not allowed, 78 misconfigured, 130 interrupted.

Examples:
  $ warren ls
  $ warren call math add '{"a": 1, "b": 2}'
  $ warren stats math --watch 1s
  $ warren top
  $ warren parked redrive math --all --procedure add`;

/** Each adds its commands, in the order of the help. */
const COMMANDS = [
  addCall,
  addBench,
  addQuestions,
  addTop,
  addEvents,
  addDoctor,
  addChanges,
  addParked,
  addServe,
  addBroker,
  addTypes,
  addDefinitions,
  addCompletions,
];

/** Makes the whole program. */
export function makeProgram(onExitCode: (code: number) => void): Command {
  const program = new Command("warren")
    .description("Calls, watches and operates servers of @warren/rpc.")
    .version(VERSION, "-V, --version")
    .addHelpText("after", EPILOGUE)
    .showHelpAfterError("(--help tells more)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => writeAll(text),
      writeErr: (text) => writeAll(text, Deno.stderr),
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    });
  for (const add of COMMANDS) {
    add(program, onExitCode);
  }
  return program;
}

/**
 * Runs the command line.
 *
 * @param args The arguments.
 * @returns The exit code.
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT_CODE.ok;
  try {
    await makeProgram((code) => exitCode = code).parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODE.usage;
    complain(inWordsOfFlags(error instanceof Error ? error.message : String(error)));
    return exitCodeOf(error);
  }
}

/** The library names its options, which here are flags. */
function inWordsOfFlags(message: string): string {
  return message.replaceAll(/"tls\.(ca|cert|key)"/g, "--tls-$1");
}
