/** `warren completions`, and what shells ask by it. @module */

import { Argument, type Command, type Option } from "../deps/commander.ts";
import { RpcControl } from "../extras/control/rpc_control.ts";
import { brokerOf, type BrokerOptions } from "./global_options.ts";
import { printableLine, writeAll } from "./output.ts";

/** Whoever presses a key does not wait for longer. */
const LIVE_LIMIT_MS = 300;

/** So much of it is left to what comes after the answers. */
const REST_MS = 30;

/** What shells source. Each gives the words so far, and gets a line for each word that may follow. */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_warren() {
  local word
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    COMPREPLY+=("$(printf %q "$word")")
  done < <(warren complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _warren warren
`,
  zsh: `#compdef warren
_warren() {
  local -a found
  found=("\${(@f)$(warren complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=("\${(@)found//:/\\\\:}")
  found=("\${(@)found/$'\\t'/:}")
  if [[ -n "\${found[1]}" ]]; then _describe warren found; else _files; fi
}
compdef _warren warren
`,
  fish: `function __warren_complete
    set -l words (commandline -opc) (commandline -ct)
    warren complete -- $words[2..-1] 2>/dev/null
end
complete -c warren -a '(__warren_complete)'
`,
};

/** A word that may follow, and what it is. */
interface Candidate {
  readonly word: string;
  readonly about?: string;
}

/** Adds the commands. */
export function addCompletions(program: Command): void {
  program.command("completions")
    .description("Write what has a shell complete commands, options, queues and procedures")
    .addArgument(new Argument("<shell>", "which one").choices(Object.keys(SCRIPTS)))
    .addHelpText(
      "after",
      `
Examples:
  $ source <(warren completions bash)
  $ warren completions zsh > ~/.zfunc/_warren
  $ warren completions fish > ~/.config/fish/completions/warren.fish`,
    )
    .action((shell: string) => writeAll(SCRIPTS[shell] ?? ""));
  program.command("complete [words...]", { hidden: true })
    .description("Write what may follow, for shells")
    .action(async (words: string[]) => {
      const last = words.at(-1) ?? "";
      const found = (await candidates(program, words)).filter(({ word }) => word.startsWith(last));
      for (const { word, about = "" } of found) {
        // Strangers name queues; a shell may act on more than letters.
        if (printableLine(word) === word) writeAll(`${word}\t${printableLine(about)}\n`);
      }
    });
}

/** What may stand where the last of some words is. */
async function candidates(program: Command, words: readonly string[]): Promise<Candidate[]> {
  let command = program;
  const given: string[] = [];
  const values: Record<string, string> = {};
  const before = words.slice(0, -1);
  for (let at = 0; at < before.length; at++) {
    const word = before[at] ?? "";
    const option = optionOf(command, word);
    if (option !== undefined) {
      if (takesValue(option)) values[option.attributeName()] = before[++at] ?? "";
      continue;
    }
    const next = given.length === 0 ? commandOf(command, word) : undefined;
    if (next === undefined) given.push(word);
    else command = next;
  }
  const open = optionOf(command, before.at(-1) ?? "");
  if (open !== undefined && takesValue(open)) return (open.argChoices ?? []).map(asCandidate);
  if (words.at(-1)?.startsWith("-")) return optionsOf(command);
  if (command.commands.length > 0) {
    return namedCommands(command).map((each) => ({ word: each.name(), about: each.description() }));
  }
  const argument = command.registeredArguments[given.length] ?? command.registeredArguments.at(-1);
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices.map(asCandidate);
  return await liveNames(argument.name(), given[0], values);
}

/** Commands that people are told of. */
function namedCommands(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command);
}

function commandOf(command: Command, word: string): Command | undefined {
  return command.commands.find((each) => each.name() === word || each.aliases().includes(word));
}

function optionOf(command: Command, word: string): Option | undefined {
  return command.options.find(({ short, long }) => word === short || word === long);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

function optionsOf(command: Command): Candidate[] {
  return command.createHelp().visibleOptions(command).map(({ long, short, description }) => ({
    word: long ?? short ?? "",
    about: description,
  }));
}

function asCandidate(word: string): Candidate {
  return { word };
}

/** Names of queues and procedures, of those servers that answer at once. */
async function liveNames(
  argument: string,
  queue: string | undefined,
  options: BrokerOptions,
): Promise<Candidate[]> {
  if (!/^(queues?|procedure)$/.test(argument)) return [];
  const late = new Promise<Candidate[]>((resolve) => setTimeout(resolve, LIVE_LIMIT_MS, []));
  // Nobody wants to read errors between two keys.
  return await Promise.race([late, ask(argument, queue, options).catch(() => [])]);
}

async function ask(
  argument: string,
  queue: string | undefined,
  options: BrokerOptions,
): Promise<Candidate[]> {
  const until = performance.now() + LIVE_LIMIT_MS;
  const broker = await brokerOf({ ...options, isSilent: true });
  await using control = await RpcControl.connect(broker.url, broker.options);
  const timeoutMs = Math.max(1, Math.round(until - REST_MS - performance.now()));
  if (argument !== "procedure") {
    const names = (await control.ping({ timeoutMs })).map(({ name }) => name);
    return [...new Set(names)].toSorted().map(asCandidate);
  }
  const servers = await control.info({
    ...(queue !== undefined && { queue }),
    expect: 1,
    timeoutMs,
  });
  const procedures = new Map(
    servers.flatMap(({ endpoints }) => endpoints.map((each) => [each.name, each])),
  );
  return [...procedures.values()].map(({ name, description }) => ({
    word: name,
    ...(typeof description === "string" && { about: description }),
  }));
}
