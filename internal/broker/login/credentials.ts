/** Names and passwords, or tokens, that are asked for anew. @module */

import { RpcError } from "../../../errors.ts";
import type { ConnectOptions } from "../../../options/connect_options.ts";
import { toPrintable } from "../../text.ts";
import { backoffMs, MAX_TIMEOUT_MS, sleep, withTimeout } from "../../time.ts";

/** Asks for credentials. */
export type AskCredentials = NonNullable<ConnectOptions["credentials"]>;

/** What a connection logs in with. */
export interface KnownCredentials {
  readonly username: string;
  /** Never to be shown. */
  readonly password: string;
  /** Unix milliseconds; `Infinity` if they do not expire. */
  readonly expiresAt: number;
}

/** Where one is to log in, and with what if nobody is asked. */
export interface Login extends Pick<KnownCredentials, "username" | "password"> {
  /** As people write it. */
  readonly place: string;
  /** The longest that is waited for an answer, in milliseconds. */
  readonly limitMs: number;
}

/** A connection that takes another secret. */
interface Renewable {
  readonly closed: Promise<unknown>;
  updateSecret(secret: string): Promise<void>;
}

/** So much of what is left of its time passes before a secret is renewed. */
const RENEW_AT = 0.75;

/** Pauses after a failure to renew. */
const RENEW_BACKOFF = { firstMs: 1_000, maxMs: 30_000, minMs: 200 };

/**
 * Asks for the credentials of a new connection.
 *
 * @returns Those of the URL, if nobody is to be asked.
 * @throws {RpcError} `unreachable` if the function fails, `misconfigured` if what it gives is none.
 */
export async function askCredentials(
  ask: AskCredentials | undefined,
  { place, username, password, limitMs }: Login,
): Promise<KnownCredentials> {
  if (ask === undefined) return { username, password, expiresAt: Infinity };
  const subject = `Cannot connect to the broker at ${place} as "credentials"`;
  let given: unknown;
  try {
    given = await withTimeout(limitMs, async () => await ask());
  } catch (cause) {
    const reason = toPrintable(cause instanceof Error ? cause.message : String(cause));
    throw new RpcError("unreachable", `${subject} has failed: ${reason}`, {
      cause,
      retryable: true,
    });
  }
  const known = readCredentials(given, username);
  if (known !== undefined) return known;
  // What it gave may be a secret all the same.
  const kind = '{ password }, with "username" and "expiresAt" if need be';
  throw new RpcError("misconfigured", `${subject} must give ${kind}`);
}

function readCredentials(given: unknown, user: string): KnownCredentials | undefined {
  if (typeof given !== "object" || given === null) return undefined;
  const { username = user, password, expiresAt = Infinity } = given as Record<string, unknown>;
  const isText = typeof username === "string" && typeof password === "string";
  if (!isText || typeof expiresAt !== "number" || Number.isNaN(expiresAt)) return undefined;
  return { username, password, expiresAt };
}

/** Tells the broker a new secret before the old one expires, for as long as there is a connection. */
export async function keepCredentials(
  connection: Renewable,
  first: KnownCredentials,
  ask: () => Promise<KnownCredentials>,
): Promise<void> {
  const over = new AbortController();
  void connection.closed.then(() => over.abort());
  let { expiresAt } = first;
  let failures = 0;
  while (expiresAt !== Infinity) {
    const leftMs = (expiresAt - Date.now()) * RENEW_AT;
    const waitMs = failures === 0 ? Math.max(0, leftMs) : backoffMs(failures, RENEW_BACKOFF);
    await sleep(Math.min(waitMs, MAX_TIMEOUT_MS), over.signal);
    if (over.signal.aborted) return;
    try {
      const renewed = await ask();
      await connection.updateSecret(renewed.password);
      // One that gives what has expired is not to be asked without a pause.
      failures = renewed.expiresAt > Date.now() + RENEW_BACKOFF.firstMs ? 0 : failures + 1;
      expiresAt = renewed.expiresAt;
    } catch {
      // The broker closes the connection when the old one expires; the next one asks anew.
      failures++;
    }
  }
}
