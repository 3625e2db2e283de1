/** What a program that tries to connect is told, and what it tells. @module */

/** The variable that holds the settings: URLs have passwords, which others could see in arguments. */
const VARIABLE = "CHAOS_ATTEMPTS";

/** Settings of the program. */
export interface ConnectingSettings {
  readonly queue: string;
  /** Longest time until one node answers, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** URLs that lead nowhere, by the name of what is wrong. */
  readonly attempts: Readonly<Record<string, readonly string[]>>;
  /** The nodes of a client that connects. */
  readonly clientUrls: readonly string[];
  /** The nodes of a server that listens. */
  readonly serverUrls: readonly string[];
}

/** How an attempt ended. */
export interface Attempt {
  readonly type: "attempt";
  readonly name: string;
  readonly role: "client" | "server";
  /** The code of the error; words for anything else. */
  readonly outcome: string;
  readonly retryable: boolean;
  readonly ms: number;
}

/** Writes settings as variables. */
export function toEnv(settings: ConnectingSettings): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(settings) };
}

/** Reads the settings from the variables of this process. */
export function readSettings(): ConnectingSettings {
  // Our own program has written it.
  return JSON.parse(Deno.env.get(VARIABLE) ?? "{}");
}

/** Finds the attempts in what a program has told. */
export function readAttempts(transcript: string): Attempt[] {
  const lines = transcript.split("\n").filter((line) => line.startsWith(`{"type":"attempt"`));
  return lines.map((line) => JSON.parse(line));
}
