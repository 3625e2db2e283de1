/** `warren definitions`. @module */

import { type Command, InvalidArgumentError, Option } from "../../deps/commander.ts";
import { brokerDefinitions, type UserDefinition } from "../../extras/definitions.ts";
import { parseDuration } from "../duration.ts";
import { parseLeastOne } from "../global_options.ts";
import { writeAll } from "../output.ts";

interface DefinitionsFlags {
  readonly vhost: string;
  readonly durability: "replicated" | "durable";
  readonly returns: boolean | "policy";
  readonly maxWaiting?: number;
  readonly delayedRetry?: number;
  readonly server: readonly string[];
  readonly client: readonly string[];
  readonly operator: readonly string[];
  readonly replyQueue: readonly string[];
}

/** Adds the command. */
export function addDefinitions(program: Command): void {
  const command = program.command("definitions <queues...>")
    .description("Write RabbitMQ definitions of services and their users, for an operator")
    .option("--vhost <name>", "virtual host", "/")
    .addOption(
      new Option("--durability <kind>", "what queues survive: the loss of a node, or a restart")
        .choices(["replicated", "durable"]).default("replicated"),
    )
    .option("--no-returns", "requests that a queue drops do not come back to their callers")
    .option("--returns-by-policy", "a policy has them come back, for queues that others declare")
    .option("--max-waiting <n>", "most requests that wait in a queue", parseLeastOne)
    .option("--delayed-retry <time>", "shortest pause before a second try", parseDuration)
    .option("--server <user>", "a user that serves all the queues; may be given again", addTo, [])
    .option("--client <user>", "a user that calls; may be given again", addTo, [])
    .option(
      "--operator <user>",
      "a user that asks and tells servers, and looks after what is parked; may be given again",
      addTo,
      [],
    )
    .option(
      "--reply-queue <name>",
      "a durable reply queue of the clients; again for more",
      addTo,
      [],
    )
    .addHelpText(
      "after",
      `
It needs no broker. Passwords are no part of definitions: the users must exist.

Example:
  $ warren definitions math chat --server app --client web > definitions.json
  $ rabbitmqctl import_definitions definitions.json`,
    );
  command.action((queues: string[]) => {
    const flags = command.opts<DefinitionsFlags & { readonly returnsByPolicy?: true }>();
    const definitions = definitionsOf(queues, {
      ...flags,
      returns: flags.returnsByPolicy ? "policy" : flags.returns,
    });
    writeAll(`${JSON.stringify(definitions, undefined, 2)}\n`);
  });
}

function definitionsOf(queues: readonly string[], flags: DefinitionsFlags): unknown {
  const { vhost, durability, returns, maxWaiting, delayedRetry, replyQueue: replyQueues } = flags;
  const services = queues.map((queue) => ({
    queue,
    durability,
    returns,
    ...(maxWaiting !== undefined && { maxWaiting }),
    ...(delayedRetry !== undefined && { delayedRetry: { minMs: delayedRetry } }),
  }));
  const parts = new Map<string, Partial<UserDefinition>>();
  const give = (names: readonly string[], part: Partial<UserDefinition>) => {
    for (const name of names) parts.set(name, { ...parts.get(name), ...part });
  };
  give(flags.server, { serves: queues });
  give(flags.client, { calls: true, replyQueues });
  give(flags.operator, { operates: true, administers: queues });
  const users = [...parts].map(([name, part]) => ({ name, ...part }));
  return brokerDefinitions({ services, users, virtualHost: vhost });
}

function addTo(name: string, names: readonly string[]): string[] {
  if (name === "") throw new InvalidArgumentError("It must be a name.");
  return [...names, name];
}
