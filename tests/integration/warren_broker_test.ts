import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcServer } from "../../mod.ts";
import { brokerUrl, changedUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { type ChildResult, runChild } from "../helpers/child.ts";
import { eventually } from "../helpers/eventually.ts";
import { testUnless } from "../helpers/features.ts";
import { Tmux, whyNoTmux } from "../helpers/tmux.ts";
import { WARREN } from "../helpers/warren.ts";

const { username, password, host } = new URL(brokerUrl());
const missing = await whyNoTmux();

/** A folder for files of the user's, and a queue that is served. */
class Home implements AsyncDisposable {
  readonly queue = randomQueue();
  readonly #stack = new AsyncDisposableStack();

  private constructor(readonly folder: string) {
    this.#stack.defer(() => Deno.remove(folder, { recursive: true }));
    this.#stack.defer(() => deleteQueue(this.queue));
  }

  static async open(): Promise<Home> {
    const home = new Home(await Deno.makeTempDir());
    const handlers = { echo: (value: unknown) => value };
    const options = { queue: home.queue, handlers, log: false };
    home.#stack.use(await RpcServer.listen(brokerUrl(), options));
    return home;
  }

  async write(name: string, text: string, mode: number = 0o600): Promise<string> {
    const path = `${this.folder}/${name}`;
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, mode);
    return path;
  }

  async profiles(profiles: unknown, mode?: number): Promise<string> {
    return await this.write("profiles.json", JSON.stringify(profiles), mode);
  }

  /** A call, with nothing in the environment that is not said. */
  async call(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<ChildResult> {
    const none = { AMQP_URL: "", AMQP_PASSWORD: "", WARREN_PROFILE: "" };
    return await runChild(WARREN, {
      args: ["call", this.queue, "echo", "1", ...args],
      flags: ["--no-check"],
      env: { ...none, WARREN_PROFILES: `${this.folder}/profiles.json`, ...env },
      limitMs: 60_000,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const WITHOUT_PASSWORD = `amqp://${username}@${host}`;

Deno.test("warren has its password from the environment, or a file", async (t) => {
  await using home = await Home.open();
  const file = await home.write("password", `${password}\n`);
  const cases: Readonly<
    Record<string, readonly [readonly string[], Record<string, string>, number]>
  > = {
    "AMQP_URL": [[], { AMQP_URL: brokerUrl() }, 0],
    "AMQP_PASSWORD": [["--url", WITHOUT_PASSWORD], { AMQP_PASSWORD: password }, 0],
    "--password-file": [["--url", WITHOUT_PASSWORD, "--password-file", file], {}, 0],
    "a file before the environment": [
      ["--url", WITHOUT_PASSWORD, "--password-file", file],
      { AMQP_PASSWORD: "wrong" },
      0,
    ],
    "none, and nobody to ask": [["--url", WITHOUT_PASSWORD], {}, 77],
    "no such file": [["--password-file", `${home.folder}/none`], {}, 65],
    "an argument": [["--url", changedUrl({ password: "secret-word" })], {}, 64],
  };
  for (const [name, [args, env, code]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const result = await home.call(args, env);
      assertEquals(result.code, code, result.stderr);
      assert(!result.stderr.includes("secret-word"), result.stderr);
    });
  }
});

Deno.test("warren finds brokers by their names in a file", async (t) => {
  await using home = await Home.open();
  await home.write("password", password);
  await home.profiles({
    prod: { url: WITHOUT_PASSWORD, passwordFile: "password" },
    whole: { url: brokerUrl() },
    nowhere: { url: "amqp://127.0.0.1:1" },
    open: { url: WITHOUT_PASSWORD },
    odd: { url: brokerUrl(), pasword: "x" },
    list: [],
  });
  const nowhere = { AMQP_URL: "amqp://127.0.0.1:1" };
  const cases: Readonly<
    Record<string, readonly [readonly string[], Record<string, string>, number, RegExp?]>
  > = {
    "its password in a file beside it": [["--profile", "prod"], nowhere, 0],
    "its own password is not that of the environment": [
      ["--profile", "whole"],
      { AMQP_PASSWORD: "wrong" },
      0,
    ],
    "WARREN_PROFILE": [[], { ...nowhere, WARREN_PROFILE: "prod" }, 0],
    "an argument before WARREN_PROFILE": [["--profile", "prod"], { WARREN_PROFILE: "nowhere" }, 0],
    "a URL before WARREN_PROFILE": [
      ["--url", WITHOUT_PASSWORD],
      { WARREN_PROFILE: "nowhere", AMQP_PASSWORD: password },
      0,
    ],
    "AMQP_PASSWORD for a profile without one": [
      ["--profile", "open"],
      { AMQP_PASSWORD: password },
      0,
    ],
    "the broker of a profile": [["--profile", "nowhere"], { AMQP_URL: brokerUrl() }, 69],
    "two brokers": [["--profile", "prod", "--url", WITHOUT_PASSWORD], {}, 64, /give one/],
    "no such profile": [["--profile", "pro"], {}, 64, /no profile "pro".*it has .*prod/],
    "a name of every object": [["--profile", "toString"], {}, 64, /no profile "toString"/],
    "an unknown member": [["--profile", "odd"], {}, 78, /"pasword" is none of url, /],
    "no object": [["--profile", "list"], {}, 78, /it is not an object/],
    "no file": [["--profile", "prod"], { WARREN_PROFILES: `${home.folder}/none` }, 65, /not exist/],
  };
  for (const [name, [args, env, code, words]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const result = await home.call(args, env);
      assertEquals(result.code, code, result.stderr);
      if (words !== undefined) assertMatch(result.stderr, words);
      assert(!/\bat file:/.test(result.stderr), result.stderr);
    });
  }
});

const noModes = Deno.build.os === "windows" ? "files have no modes" : undefined;

Deno.test(
  testUnless(noModes, "warren uses no password that others may read in its profiles", async () => {
    await using home = await Home.open();
    await home.profiles(
      { whole: { url: brokerUrl() }, open: { url: "amqp://127.0.0.1:1" } },
      0o644,
    );
    const { code, stderr } = await home.call(["--profile", "whole"]);
    assertEquals(code, 78, stderr);
    assertStringIncludes(stderr, "others may read the passwords in them: chmod 600");
    assertEquals((await home.call(["--profile", "open"])).code, 69);
    await home.write("profiles.json", `{ "a": "${password}-secret`);
    const broken = await home.call(["--profile", "whole"]);
    assertEquals(broken.code, 78, broken.stderr);
    assert(!broken.stderr.includes("-secret"), broken.stderr);
  }),
);

Deno.test(testUnless(missing, "warren asks for a password, and shows none of it", async () => {
  await using home = await Home.open();
  const env = { AMQP_URL: WITHOUT_PASSWORD, AMQP_PASSWORD: "", WARREN_PROFILE: "" };
  const run = `"${Deno.execPath()}" run --allow-all --no-check --quiet ${WARREN.href}`;
  await using tmux = await Tmux.open({ columns: 100, rows: 24, env });
  await eventually(async () => assertMatch(await tmux.screen(), /^[$#] *$/m));
  const script = await home.write(
    "ask.sh",
    `${run} call "$@"; echo "code $?"; stty -a | grep -o -w -e -echo -e echo\n`,
  );
  const asked = /Password of "\w+" at [\w.:]+: *$/m;
  const begin = async () => {
    // The question before is not this one.
    await tmux.type("clear");
    await eventually(async () => assert(!asked.test(await tmux.screen())));
    await tmux.type(`sh ${script} ${home.queue} echo 1`);
    await eventually(async () => assertMatch((await tmux.screen()).trimEnd(), asked), 30_000);
  };
  const end = async (code: number) => {
    await eventually(async () => {
      assertStringIncludes(await tmux.screen(), `code ${code}\necho\n`);
    }, 30_000);
    assert(!(await tmux.screen()).includes(`${password}x`));
  };
  await begin();
  await tmux.type(`${password}x\x7f`);
  await end(0);
  await begin();
  await tmux.type(`${password}xx`);
  await end(77);
  await begin();
  await tmux.keys("C-c");
  await end(130);
}));
