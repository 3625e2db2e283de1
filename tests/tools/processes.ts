import { until } from "../../tools/time/waiting.ts";

/** Tells whether a process exists and is not just waiting to be collected. */
export function isAlive(pid: number): boolean {
  const { stdout } = new Deno.Command("ps", {
    args: ["-o", "stat=", "-p", `${pid}`],
    stdout: "piped",
  }).outputSync();
  const state = new TextDecoder().decode(stdout).trim();
  return state !== "" && !state.startsWith("Z");
}

/** Resolves when a process has gone; nothing reports the end of somebody else's child. */
export async function gone(pid: number, limitMs = 10_000): Promise<void> {
  if (await until(() => !isAlive(pid), { limitMs })) return;
  throw new Error(`Process ${pid} is alive after ${limitMs} ms`);
}

/** Resolves when a path has gone. */
export async function removed(path: string, limitMs = 10_000): Promise<void> {
  if (await until(async () => !await exists(path), { limitMs })) return;
  throw new Error(`"${path}" is there after ${limitMs} ms`);
}

/** Tells whether there is a file or folder at a path. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Reads what a process says first. */
export async function firstLine(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return text.trim();
}
