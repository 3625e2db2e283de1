/** The part of docs/cli.md that is made of the help texts of `warren`. @module */

import { makeProgram } from "../../cli/program.ts";
import type { Command, Option } from "../../deps/commander.ts";

/** Where it is. */
export const COMMANDS_PAGE: URL = new URL("../../docs/cli.md", import.meta.url);

/** What stands above it. */
const HEADING = "\n## Commands\n";

/** Options that so many commands have are told once. */
const COMMON_FROM = 15;

/**
 * Puts the help texts into the page, in the place of those that are there.
 *
 * @param page The text of the page.
 * @returns The text that it should have.
 */
export async function withCommands(page: string): Promise<string> {
  const [above = ""] = page.split(HEADING);
  return await formatted(`${above.trimEnd()}\n${HEADING}\n${commandsText()}`);
}

function commandsText(): string {
  const all = leavesOf(makeProgram(() => {}));
  const counts = new Map<string, number>();
  for (const command of all) {
    for (const option of optionsOf(command)) {
      const row = optionRow(command, option);
      counts.set(row, (counts.get(row) ?? 0) + 1);
    }
  }
  // How long is waited differs.
  const common = [...counts].filter(([row, count]) =>
    count >= COMMON_FROM && !row.includes("--timeout")
  ).map(([row]) => row);
  return [
    "What `warren COMMAND --help` says. This part is made by `deno task docs:cli`.",
    "",
    "Most commands have these options:",
    "",
    optionTable(common),
    "",
    ...all.flatMap((command) => commandLines(command, common)),
  ].join("\n");
}

/** Commands that do something, in the order of the help. */
function leavesOf(command: Command): readonly Command[] {
  const { commands } = command;
  if (commands.length === 0) return [command];
  const visible = command.createHelp().visibleCommands(command);
  return visible.filter((each) => each.name() !== "help").flatMap(leavesOf);
}

function optionsOf(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command).filter(({ long }) => long !== "--help");
}

function commandLines(command: Command, common: readonly string[]): string[] {
  const help = command.createHelp();
  const rows = optionsOf(command).map((option) => optionRow(command, option));
  const own = rows.filter((row) => !common.includes(row));
  const hasCommon = common.every((row) => rows.includes(row));
  const aliases = command.aliases().map((alias) => `\`${alias}\``).join(", ");
  return [
    `### ${nameOf(command)}`,
    "",
    `\`${nameOf(command)} ${command.usage()}\``,
    "",
    `${help.commandDescription(command)}.`.replace(/\.\.$/, ".") +
    (aliases === "" ? "" : ` Also ${aliases}.`) +
    (hasCommon ? "" : " It has no others than these:"),
    "",
    ...(own.length === 0 ? [] : [optionTable(own), ""]),
    ...notesOf(command),
  ];
}

/** With the names of the commands that it belongs to. */
function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

/** What stands below the options: examples, and what else there is to know. */
function notesOf(command: Command): string[] {
  const written: string[] = [];
  command.configureOutput({ writeOut: (text) => written.push(text) });
  command.outputHelp();
  const text = written.join("").slice(command.helpInformation().length).trim();
  return text === "" ? [] : ["```text", text, "```", ""];
}

function optionTable(rows: readonly string[]): string {
  return ["| Option | What it does |", "| --- | --- |", ...rows].join("\n");
}

function optionRow(command: Command, option: Option): string {
  const help = command.createHelp();
  const about = help.optionDescription(option);
  const cells = [`\`${help.optionTerm(option)}\``, about.replaceAll("<", "\\<")];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** As `deno fmt` has it, so that nothing is left to do. */
async function formatted(text: string): Promise<string> {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--config", config, "--ext", "md", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout } = await output;
  if (!success) throw new Error("Cannot format docs/cli.md as deno fmt refuses it");
  return new TextDecoder().decode(stdout);
}
