import { testUnless } from "../helpers/features.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../deps/std_assert.ts";
import { installRabbitmq } from "../../tools/brokers/rabbitmq_packages.ts";

const MODULE = new URL("../../tools/brokers/rabbitmq_packages.ts", import.meta.url);

/** Installs in a process that has only these programs. */
async function installWith(programs: readonly string[], folder: string): Promise<string> {
  const path = await Deno.makeTempDir();
  try {
    for (const program of programs) {
      await Deno.writeTextFile(`${path}/${program}`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    }
    const code = `import { installRabbitmq } from "${MODULE}";
      await installRabbitmq({ suite: "trixie", folder: "${folder}" })
        .catch((error) => console.log(error.message));`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      env: { PATH: path },
    }).output();
    return new TextDecoder().decode(stdout).trim();
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("installRabbitmq() names the package of a program that is missing", async () => {
  assertEquals(
    await installWith(["apt-get", "dpkg-deb"], "/nonexistent/rabbitmq"),
    'Cannot install RabbitMQ as there is no "patchelf": ' +
      'it needs Debian or Ubuntu and "apt-get install patchelf"',
  );
});

Deno.test(
  testUnless(
    Deno.env.get("WARREN_REQUIRE_RABBITMQ") === "1" ? undefined : "it is for CI",
    "installRabbitmq() leaves nothing of what apt cannot give",
    async () => {
      const cache = await Deno.makeTempDir();
      try {
        const installing = installRabbitmq({
          suite: "no-such-release",
          folder: `${cache}/rabbitmq`,
        });
        const { message } = await assertRejects(() => installing, Error);
        assertStringIncludes(message, 'Cannot run "apt-get --quiet=2 update"');
        assertEquals([...Deno.readDirSync(cache)], []);
      } finally {
        await Deno.remove(cache, { recursive: true });
      }
    },
  ),
);
