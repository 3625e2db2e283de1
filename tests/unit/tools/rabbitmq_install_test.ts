import { assertEquals, assertMatch } from "../../../deps/std_assert.ts";
import { findRabbitmq } from "../../../tools/brokers/rabbitmq_install.ts";

/** A folder with empty files at these paths. */
async function folderOf(paths: readonly string[]): Promise<string> {
  const folder = await Deno.makeTempDir();
  for (const path of paths) {
    await Deno.mkdir(`${folder}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, "");
  }
  return folder;
}

Deno.test("findRabbitmq() finds unpacked packages with the Erlang beside them", async () => {
  const sbin = "usr/lib/rabbitmq/lib/rabbitmq_server-4.3.6/sbin";
  const erlang = "usr/lib/erlang/bin";
  const root = await folderOf([
    `${sbin}/rabbitmq-server`,
    `${sbin}/rabbitmqctl`,
    `${erlang}/erl`,
    `${erlang}/epmd`,
  ]);
  try {
    assertEquals(findRabbitmq(`${root}/`), {
      root,
      version: "4.3.6",
      server: `${root}/${sbin}/rabbitmq-server`,
      ctl: `${root}/${sbin}/rabbitmqctl`,
      epmd: `${root}/${erlang}/epmd`,
      erlang: `${root}/${erlang}`,
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("findRabbitmq() looks nowhere else than in the folder that it is given", async () => {
  const root = await folderOf(["sbin/rabbitmqctl"]);
  try {
    assertMatch(`${JSON.stringify(findRabbitmq(root))}`, /there is no rabbitmq-server in/);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
