/** Which tests run with which broker when the releases of RabbitMQ are compared. @module */

/** Arguments of one `deno test`: flags, folders and files. */
export type RunArguments = readonly string[];

/** Tests that measure or that start brokers of their own: nothing may run beside them. */
export const SERIAL_FOLDERS: RunArguments = ["tests/tools", "tests/serial"];

/** Tests that need no broker. */
export const UNIT_FOLDERS: RunArguments = ["tests/unit", "tests/architecture"];

/** Tests of what clients and servers do with a broker: they hold for all brokers. */
export const BROKER_FOLDERS: RunArguments = ["tests/integration", "tests/examples"];

/** Tests that only RabbitMQ itself is to pass, or that compare with it. */
export const RABBITMQ_FOLDERS: RunArguments = [
  "tests/fuzz",
  "tests/poison",
  "tests/testing",
  "tests/threats",
];

/** Tests that compare the embedded broker with a release. */
const COMPARISONS = [
  "tests/testing/conformance_*_test.ts",
  "tests/testing/differential_test.ts",
];

/** Tests of the command line; `doctor` is to know each release. */
const COMMANDS = [
  "tests/integration/warren_bench_test.ts",
  "tests/integration/warren_broker_test.ts",
  "tests/integration/warren_call_test.ts",
  "tests/integration/warren_commands_test.ts",
  "tests/integration/warren_contracts_test.ts",
  "tests/integration/warren_replay_test.ts",
  "tests/integration/warren_serve_test.ts",
  "tests/integration/warren_watch_test.ts",
];

/** Faults of our processes, of networks and of clusters, and of the broker. */
const CHAOS = "tests/serial/chaos_test.ts";
const CHAOS_OF_RELEASE = "tests/serial/chaos_release_test.ts";

/** Tests of tests/serial of what clients, servers and programs do, whatever the release. */
const FAULTS_ONCE = [
  "tests/serial/credentials_test.ts",
  "tests/serial/long_stream_test.ts",
  "tests/serial/mixed_calls_test.ts",
  "tests/serial/tls_test.ts",
  "tests/serial/unknown_names_test.ts",
  "tests/serial/warren_night_test.ts",
];

/** Tests of tests/serial that measure time. */
const MEASURED = ["tests/serial/abort_latency_test.ts", "tests/serial/saturated_pool_test.ts"];

/** Tests of tests/serial that measure time, of what no release changes. */
const MEASURED_ONCE = [
  "tests/serial/call_timing_test.ts",
  "tests/serial/health_latency_test.ts",
];

/** Tests of tests/serial of what no release changes: flags and output of programs, long refusals. */
const PROGRAM_TESTS = [
  "tests/serial/demo_test.ts",
  "tests/serial/flags_test.ts",
  "tests/serial/refusals_test.ts",
  "tests/serial/timeout_reasons_test.ts",
  "tests/serial/top_test.ts",
  "tests/serial/warren_tls_test.ts",
];

/** A test that has all releases in it. */
const VERSION_CHANGE = "tests/serial/version_change_test.ts";

/** A run and what it is called. */
export interface PlannedRun {
  readonly title: string;
  readonly args: RunArguments;
}

/** What runs once, with the first release. */
export const ONCE: readonly PlannedRun[] = [
  {
    title: "all that no release changes",
    args: [
      "--parallel",
      ...UNIT_FOLDERS,
      "tests/examples",
      ...RABBITMQ_FOLDERS,
      ignoring(COMPARISONS),
    ],
  },
  { title: "measured", args: MEASURED_ONCE },
  { title: "change of releases", args: [VERSION_CHANGE] },
];

/** What runs with the embedded broker. */
export const EMBEDDED: PlannedRun = {
  title: "clients and servers",
  args: ["--parallel", ...BROKER_FOLDERS],
};

/** What runs once, with the newest release. */
export const ONCE_NEWEST: readonly PlannedRun[] = [
  { title: "the command line", args: ["--parallel", ...COMMANDS] },
];

/** What runs with each release, and nothing beside it. */
export const EACH_ALONE: readonly PlannedRun[] = [
  {
    title: "clients, servers, comparisons",
    args: ["--parallel", "tests/integration", ...COMPARISONS, ignoring(COMMANDS)],
  },
  { title: "measured", args: MEASURED },
];

/** What runs with each release, and something beside it: nodes take their time to start and to die. */
export const EACH_BESIDE: readonly PlannedRun[] = [
  { title: "chaos of the broker", args: [CHAOS_OF_RELEASE] },
];

/** The same with the oldest and the newest release: ten minutes for each are too much for one more. */
export const ENDS_BESIDE: readonly PlannedRun[] = [
  {
    title: "faults",
    args: [
      "tests/serial",
      ignoring([
        ...MEASURED,
        ...MEASURED_ONCE,
        ...PROGRAM_TESTS,
        ...FAULTS_ONCE,
        CHAOS,
        CHAOS_OF_RELEASE,
        VERSION_CHANGE,
      ]),
    ],
  },
];

/** What runs once, with the first release, beside those. */
export const ONCE_BESIDE: readonly PlannedRun[] = [
  { title: "programs, tools", args: ["tests/tools", ...PROGRAM_TESTS] },
];

/** What runs once, with the newest release, beside those. */
export const ONCE_NEWEST_BESIDE: readonly PlannedRun[] = [
  { title: "chaos", args: [CHAOS] },
  { title: "faults that no release changes", args: FAULTS_ONCE },
];

function ignoring(paths: readonly string[]): string {
  // Of several folders to run, Deno 2.9 ignores plain paths in the first one only.
  return `--ignore=${paths.map((path) => `**/${path}`).join(",")}`;
}
