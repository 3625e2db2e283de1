import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import type { ChildResult } from "../helpers/child.ts";
import { warren } from "../helpers/warren.ts";
import {
  inLanes,
  nameOf,
  runOn,
  SERVE,
  WARREN_COMMANDS,
  type WarrenCommand,
} from "../helpers/warren_commands.ts";

/** Nothing listens there: what is wrong is found before a broker is needed, or it is this. */
const NOBODY = "amqp://guest:hunter2@127.0.0.1:1";
const NO_FILE = "/no/such/file";

const COMMANDS: readonly WarrenCommand[] = [...WARREN_COMMANDS, SERVE];

/** One line says it, and nothing else is said. */
function assertOneLine(name: string, { stdout, stderr }: ChildResult, words: RegExp): void {
  assertEquals([name, stdout, stderr.split("\n").length], [name, "", 2], stderr);
  assertMatch(stderr, words, name);
  assert(!stderr.includes("hunter2"), stderr);
}

Deno.test("Every command of warren says that the broker is down", async () => {
  for (const { command, result } of await runOn(NOBODY, "math", COMMANDS)) {
    assertEquals([nameOf(command), result.code], [nameOf(command), 69], result.stderr);
    assertOneLine(nameOf(command), result, /^warren: Cannot .* as nothing listens there: /);
  }
});

Deno.test("Every command of warren says that a file is not there", async () => {
  const more = () => ["--password-file", NO_FILE];
  for (const { command, result } of await runOn(NOBODY, "math", COMMANDS, more)) {
    assertEquals([nameOf(command), result.code], [nameOf(command), 65], result.stderr);
    assertOneLine(nameOf(command), result, /^warren: Cannot read .*"\/no\/such\/file" as /);
  }
});

/** Arguments, how the command ends, and what it says. */
type Mistake = readonly [line: string, code: 64 | 65, words: RegExp];

const MISTAKES: readonly Mistake[] = [
  [`call math echo @${NO_FILE}`, 65, /no file/],
  ["call math echo {", 65, /not JSON/],
  ["call math echo 1 --timeout soon", 64, /time such as/],
  [`bench math echo @${NO_FILE}`, 65, /no file/],
  ["bench math echo {", 65, /not JSON/],
  ["ls --timeout soon", 64, /time such as/],
  ["info math --expect some", 64, /an integer of at least 1/],
  ["stats math --watch soon", 64, /time such as/],
  ["ping math --expekt 1", 64, /Did you mean --expect\?/],
  [`ping math --tls-ca ${NO_FILE}`, 65, /does not exist/],
  ["active math --older soon", 64, /time such as/],
  ["why math", 64, /missing required argument 'id'/],
  ["top math --watch soon", 64, /time such as/],
  ["events math -n some", 64, /an integer of at least 1/],
  ["cancel math --yes", 64, /missing required argument 'ids'/],
  ["scale math some --yes", 64, /an integer of at least 1/],
  ["types", 64, /missing required argument 'queue'/],
  [`diff math ${NO_FILE}`, 65, /does not exist/],
  ["diff math BROKEN", 65, /not JSON/],
  ["doctor math --format xml", 64, /Allowed choices/],
  ["parked ls math --older soon", 64, /time such as/],
  ["parked show math", 64, /missing required argument 'id'/],
  ["parked redrive math --yes", 64, /give ids, or --all/],
  ["parked drop math --yes", 64, /give ids, or --all/],
  [`parked replay math x ${NO_FILE}`, 65, /no such file/],
  ["pause math", 64, /give --yes/],
  ["resume math --output xml", 64, /Allowed choices/],
  ["drain math --yes --grace soon", 64, /time such as/],
  [`serve ${NO_FILE}`, 65, /no such file/],
  [`dev ${NO_FILE} --port 1 --page 1`, 65, /no such file/],
  ["broker --compat 5", 64, /Allowed choices/],
  ["definitions", 64, /missing required argument 'queues'/],
  ["completions csh", 64, /Allowed choices/],
  ["pign math", 64, /Did you mean ping\?/],
  ["ls --url http://example.org", 64, /must start with "amqp:/],
  ["ls --url amqp://guest:hunter2@127.0.0.1", 64, /must not have a password/],
];

Deno.test("Every command of warren says what is wrong with what it was given", async () => {
  await using stack = new AsyncDisposableStack();
  const broken = await Deno.makeTempFile();
  stack.defer(() => Deno.remove(broken));
  await Deno.writeTextFile(broken, "{");
  const ended = await inLanes(MISTAKES, ([line]) => {
    return warren(line.replace("BROKEN", broken).split(" "), NOBODY);
  });
  for (const [[line, code, words], { code: found, stdout, stderr }] of ended) {
    assertEquals([line, found, stdout], [line, code, ""], stderr);
    assertMatch(stderr, words, line);
    assert(!/hunter2|\bat (async )?file:/.test(stderr), stderr);
  }
  const missing = COMMANDS.filter((command) =>
    !MISTAKES.some(([line]) => line.startsWith(nameOf(command)))
  );
  assertEquals(missing, []);
});
