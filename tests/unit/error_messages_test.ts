import { assert, assertEquals } from "../../deps/std_assert.ts";
import { sourcePaths, textOf } from "../helpers/source_files.ts";
import { applyRule, type Finding, literalText } from "../helpers/source_rules.ts";

/** The first words of every message; a computed beginning is checked where it is written. */
const BEGINNING_REGEXP = /^(Cannot |…)/;
/** The errors of these end up as the reason in the message of another. */
const PARTS_REGEXP = /^(testing\/|extras\/msgpack\/)/;
/** Errors that the reader of a command line turns into the reason in a message of its own. */
const PART_ERRORS = ["InvalidArgumentError"];
const CONTRACTION_REGEXP = /\b(\w+n't|(it|that|there|what|who|he|she)'s|\w+'(re|ll|ve|m))\b/i;

/** The messages of all errors that are made in the sources and not computed elsewhere. */
function errorMessages(path: string, text: string): Finding[] {
  return applyRule(path, text, (report) => ({
    NewExpression({ callee, arguments: args }) {
      if (callee.type !== "Identifier" || !callee.name.endsWith("Error")) return;
      if (PART_ERRORS.includes(callee.name)) return;
      const message = args.slice(callee.name.startsWith("Rpc") ? 1 : 0).map(literalText)[0];
      if (message !== undefined && message !== "") report(message);
    },
  }));
}

function faultOf(message: string): string | undefined {
  if (!BEGINNING_REGEXP.test(message)) return 'does not begin with "Cannot"';
  if (!message.startsWith("…") && !/ as |: /.test(message)) return "gives no reason";
  if (message.endsWith(".")) return "ends with a period";
  if (CONTRACTION_REGEXP.test(message)) return "has a contraction";
  return undefined;
}

Deno.test("Every error message says what cannot be done, and why", () => {
  const messages = sourcePaths.filter((path) => !PARTS_REGEXP.test(path))
    .flatMap((path) => errorMessages(path, textOf(path)));
  assert(messages.length > 50, `Only ${messages.length} messages found`);
  const faults = messages.map(({ path, message }) => ({ path, message, fault: faultOf(message) }));
  assertEquals(faults.filter(({ fault }) => fault !== undefined), []);
});

Deno.test("The check of error messages sees every kind of fault", () => {
  const source = [
    'new RpcError("closed", "client is closed");',
    'new TypeError("Cannot call.");',
    'new RangeError("Cannot call as it is closed.");',
    'new Error(`Cannot call "${name}" as it isn\'t open`);',
    'throw new RpcError("closed", "Cannot call as " + "it is closed: 5", { cause });',
  ].join("\n");
  assertEquals(errorMessages("made_up.ts", source).map(({ message }) => faultOf(message)), [
    'does not begin with "Cannot"',
    "gives no reason",
    "ends with a period",
    "has a contraction",
    undefined,
  ]);
});
