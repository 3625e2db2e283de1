/** What processes cost the machine: processor time and memory, as Linux counts them. @module */

/** Linux counts processor time in hundredths of a second. */
const TICK_MS = 10;

/** The processor time that a process has taken since it was started, in milliseconds. */
export async function processorMs(pid: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The second field is a name in brackets, which may have blanks.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** The memory of a process that is in use, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]) * 1_024;
}

/**
 * Finds the process that listens on a port.
 *
 * @throws {Error} If there is none on this machine that this user may see.
 */
export async function listenerOn(port: number): Promise<number> {
  const sockets = await socketsOn(port);
  for await (const { name } of Deno.readDir("/proc")) {
    if (/^\d+$/.test(name) && await hasOne(name, sockets)) return Number(name);
  }
  throw new Error(`Cannot measure the broker as it is no process that can be seen: port ${port}`);
}

async function socketsOn(port: number): Promise<Set<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const found = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const lines = (await Deno.readTextFile(table)).split("\n").slice(1);
    for (const fields of lines.map((line) => line.trim().split(/\s+/))) {
      const isListening = fields[3] === "0A";
      if (isListening && fields[1]?.endsWith(suffix)) found.add(`socket:[${fields[9]}]`);
    }
  }
  return found;
}

async function hasOne(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
      const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
      if (sockets.has(target)) return true;
    }
  } catch {
    // It has ended, or is another user's.
  }
  return false;
}
