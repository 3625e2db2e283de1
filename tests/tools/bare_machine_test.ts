import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { testUnless } from "../helpers/features.ts";
import { answersAmqp } from "../../tools/brokers/amqp_probe.ts";

const ROOT = new URL("../../", import.meta.url);

/**
 * Hides RabbitMQ, Erlang, openssl, Python and Docker from a command and what it starts, and from
 * nothing else. Folders stay as they are: what is mounted here is seen by this command only.
 */
const HIDING = `
set -e
upper=$1
shift
mount -t tmpfs tmpfs "$upper"
for folder in /usr/bin /usr/sbin /usr/local/bin; do
  layer="$upper/$(echo "$folder" | tr / _)"
  mkdir -p "$layer.upper" "$layer.work"
  mount -t overlay overlay -o "lowerdir=$folder,upperdir=$layer.upper,workdir=$layer.work" "$folder"
  for hidden in openssl python3 'python3.*' docker podman erl epmd 'rabbitmq*'; do
    find "$folder" -maxdepth 1 -name "$hidden" -exec rm -f {} +
  done
done
for folder in /usr/lib/rabbitmq /usr/lib/erlang /opt/rabbitmq "$HOME/.pyenv" "$HOME/.cache/warren"; do
  if [ -d "$folder" ]; then mount -t tmpfs tmpfs "$folder"; fi
done
exec "$@"
`;

/** Variables that would bring RabbitMQ back, or demand it. */
const UNSET = { AMQP_URL: "", WARREN_BROKER: "", WARREN_RABBITMQ: "", WARREN_REQUIRE_RABBITMQ: "" };

/** Some of each kind of test that needs what is hidden, beside tests that do not. */
const SELECTION = [
  "tests/examples/python_test.ts",
  "tests/integration/tutorial_test.ts",
  "tests/serial/credentials_test.ts",
  "tests/serial/operators_test.ts",
  "tests/serial/permissions_test.ts",
  "tests/serial/tls_test.ts",
  "tests/testing/differential_test.ts",
  "tests/tools/private_node_test.ts",
];

interface HiddenResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command that sees nothing of what is hidden. */
async function runHidden(...command: readonly string[]): Promise<HiddenResult> {
  const upper = await Deno.makeTempDir({ prefix: "warren-bare-" });
  try {
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", HIDING, "sh", upper, ...command],
      cwd: ROOT,
      env: { ...UNSET, PATH: "/usr/local/bin:/usr/bin:/bin", NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } finally {
    await Deno.remove(upper, { recursive: true });
  }
}

async function whyNothingCanBeHidden(): Promise<string | undefined> {
  if (await answersAmqp({ hostname: "127.0.0.1", port: 5672 })) {
    return "a broker answers on 127.0.0.1:5672";
  }
  const result = await runHidden("true").catch((error: unknown) => error);
  const isHidden = result !== null && typeof result === "object" && "code" in result &&
    result.code === 0;
  return isHidden ? undefined : "this user cannot mount";
}

Deno.test(testUnless(
  await whyNothingCanBeHidden(),
  "deno task test passes without RabbitMQ, openssl and Python, and names what it skips",
  async () => {
    const tools = await runHidden("sh", "-c", "command -v openssl python3 erl rabbitmqctl docker");
    assertEquals(tools.stdout, "");
    const { code, stdout, stderr } = await runHidden(
      ...[Deno.execPath(), "task", "test", "--no-check"],
      ...SELECTION,
    );
    assertEquals(code, 0, `${stdout}${stderr}`);
    assertMatch(stderr, /No RabbitMQ is to be had here: using the embedded broker/);
    const [, passed, skipped] = /^(\d+) passed, 0 failed, (\d+) skipped$/m.exec(stderr) ?? [];
    assert(Number(passed) > 0 && Number(skipped) > 20, stderr);
    const named = stderr.split("\n").filter((line) => line.startsWith("skipped: "));
    assertEquals(named.length, Number(skipped));
    assertEquals(named.filter((line) => !line.includes(" (ignored: ")), [], "it says no reason");
  },
));
