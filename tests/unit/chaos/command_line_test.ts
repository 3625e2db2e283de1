import { readCommandLine } from "../../../chaos/command_line.ts";
import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";

const KNOWN = ["R1", "R2"];

Deno.test("readCommandLine() has defaults for all but the seed", () => {
  const { seed: _, ...options } = { seed: 0, ...Object(readCommandLine([], KNOWN)) };
  assertEquals(options, {
    minutes: 10,
    only: undefined,
    broker: undefined,
    report: "chaos-report.json",
    isShort: false,
    isShared: false,
    isKept: false,
  });
});

Deno.test("readCommandLine() reads every option", () => {
  const args = [
    "--minutes",
    "2.5",
    "--seed=7",
    "--only",
    "r1,R2",
    "--report=a.json",
    "--short",
    "--shared",
    "--broker=4.3",
  ];
  assertEquals(readCommandLine(args, KNOWN), {
    minutes: 2.5,
    seed: 7,
    only: ["R1", "R2"],
    broker: "4.3",
    report: "a.json",
    isShort: true,
    isShared: true,
    isKept: false,
  });
  assertEquals(readCommandLine(["--help"], KNOWN), "help");
});

const REFUSED: readonly [args: string, message: string][] = [
  ["--minutes x", '--minutes must be a number from 1 to 600: current value is "x"'],
  ["--minutes=", "--minutes must be a number from 1 to 600"],
  ["--minutes 0", "--minutes must be a number from 1 to 600"],
  ["--minutes Infinity", "--minutes must be a number from 1 to 600"],
  ["--seed=-1", "--seed must be a number"],
  ["--seed 1.5", "--seed must be whole"],
  ["--only R1,R9", 'there is no row "R9": rows are R1, R2'],
  ["--only=", 'there is no row ""'],
  ["--broker embedded", "--broker must be one of 3.10, 4.0, 4.3"],
  ["--report=", "--report names no file"],
  ["--write --short", "--write is for all rows with their full counts"],
  ["--write --only R1", "--write is for all rows with their full counts"],
  ["--sed 1", '"--sed" is no option'],
  ["R1", '"R1" is no option'],
];

for (const [args, message] of REFUSED) {
  Deno.test(`readCommandLine() refuses ${args}`, () => {
    assertThrows(() => readCommandLine(args.split(" "), KNOWN), TypeError, message);
  });
}
