/**
 * `deno task keep`: keeps client and server of this version as one file, beside which later versions
 * are tested. It is run before each release.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url);

const file = new URL(`tests/fixtures/releases/${config.version}.js`, ROOT);
const amqplib = await Deno.readTextFile(new URL("deps/amqplib.ts", ROOT));
const [external = ""] = /npm:amqplib@[\d.]+/.exec(amqplib) ?? [];
const { code } = await new Deno.Command(Deno.execPath(), {
  // What it imports from npm stays outside: that is not ours.
  args: [
    "bundle",
    "--quiet",
    "--minify",
    "--external",
    external,
    "--output",
    file.pathname,
    "mod.ts",
  ],
  cwd: ROOT,
}).spawn().status;
if (code === 0) console.log(`Kept ${file.pathname}: commit it`);
Deno.exitCode = code;
