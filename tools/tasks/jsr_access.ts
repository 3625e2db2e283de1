import { startJsrServer } from "./jsr_server.ts";
import { ROOT } from "./root.ts";
import { say } from "./say.ts";

/** A way for Deno to resolve `jsr:` imports, open until disposed of. */
export interface JsrAccess extends AsyncDisposable {
  /** Variables that every started `deno` needs; empty where JSR itself answers. */
  readonly env: Readonly<Record<string, string>>;
}

/** Where a firewall drops packets rather than refuse them, Deno alone would wait for minutes. */
const PROBE_TIMEOUT_MS = 8_000;
/** The stand-ins are near, but a busy machine takes its time to check what it gets. */
const STAND_INS_TIMEOUT_MS = 60_000;
const LOOPBACK = "127.0.0.1,localhost";

/**
 * Lets `jsr:` imports resolve: through JSR, or through the stand-ins in tools/jsr.
 *
 * Deno itself is asked, so that its cache, its proxies and a `JSR_URL` of the user's all count.
 */
export async function openJsrAccess(): Promise<JsrAccess> {
  const modules = await modulesWithJsrImports();
  if ((await resolve(modules, {}, PROBE_TIMEOUT_MS)).success) {
    return { env: {}, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  await using stack = new AsyncDisposableStack();
  const { url } = stack.use(await startJsrServer());
  const env = { JSR_URL: url, ...withoutProxyForLoopback() };
  // This also fills Deno's cache, so that no task begins with a page of "Download" lines.
  const answer = await resolve(modules, env, STAND_INS_TIMEOUT_MS);
  if (!answer.success) {
    throw new Error(
      `Cannot resolve "jsr:" imports as neither JSR nor the stand-ins in tools/jsr have them: ${answer.stderr}`,
    );
  }
  say(`JSR does not answer: using the stand-ins in tools/jsr instead, at ${url}`);
  const owned = stack.move();
  return { env, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function modulesWithJsrImports(): Promise<string[]> {
  const folder = new URL("deps/", ROOT);
  const modules: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(name, folder));
    if (text.includes('"jsr:')) modules.push(`deps/${name}`);
  }
  return modules.sort();
}

async function resolve(
  modules: readonly string[],
  env: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<{ readonly success: boolean; readonly stderr: string }> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", ...modules],
    env,
    cwd: ROOT,
    signal: AbortSignal.timeout(timeoutMs),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return { success, stderr: new TextDecoder().decode(stderr).trim() };
}

function withoutProxyForLoopback(): Record<string, string> {
  const listed = Deno.env.get("NO_PROXY") ?? Deno.env.get("no_proxy");
  const value = listed ? `${listed},${LOOPBACK}` : LOOPBACK;
  return { NO_PROXY: value, no_proxy: value };
}
