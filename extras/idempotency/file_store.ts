/** A store of idempotency keys in a file, for the servers of one host. @module */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type {
  IdempotencyClaim,
  IdempotencyOutput,
  IdempotencyState,
  IdempotencyStore,
} from "../../options/idempotency_options.ts";

/** A server waits for so long for others that write, in milliseconds. */
const BUSY_MS = 5_000;

/** After so many outputs, those that are too old are deleted. */
const OUTPUTS_PER_CLEANING = 200;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS work (
    key TEXT PRIMARY KEY,
    input TEXT NOT NULL,
    owner TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    body ANY,
    content_type TEXT,
    headers TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS work_ends_at ON work (ends_at);
`;

/** One statement, so that no other server comes in between. */
const CLAIM = `
  INSERT INTO work (key, input, owner, ends_at) VALUES (:key, :input, :owner, :endsAt)
  ON CONFLICT (key) DO UPDATE SET
    input = excluded.input, owner = excluded.owner, ends_at = excluded.ends_at,
    body = NULL, content_type = NULL, headers = NULL
  WHERE work.ends_at < :now OR (work.owner = excluded.owner AND work.content_type IS NULL)
`;

/**
 * Keeps idempotency keys in a file, in SQLite, which the servers of one host share: on a local disk,
 * as networks do not lock files well. What it keeps outlives its servers. It takes the permissions to
 * read and write the file and those beside it (`-wal`, `-shm`), whose folder nobody else should read:
 * outputs are in it.
 *
 * @example A server that shares its keys with others of its host
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { FileStore } from "@warren/rpc/idempotency";
 *
 * await RpcServer.listen("amqp://127.0.0.1", {
 *   queue: "shop",
 *   handlers: { pay: (amount: number) => `paid ${amount}` },
 *   idempotency: { store: new FileStore("/var/lib/shop/keys.db") },
 * });
 * ```
 */
export class FileStore implements IdempotencyStore, Disposable {
  readonly #database: DatabaseSync;
  readonly #claim: StatementSync;
  readonly #find: StatementSync;
  readonly #keep: StatementSync;
  readonly #release: StatementSync;
  readonly #clean: StatementSync;
  #outputs = 0;

  /**
   * Opens a file, and makes it if there is none.
   *
   * @param path The path of the file; its folder must exist.
   * @throws {Error} If it cannot be opened, or is no such file.
   */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: BUSY_MS });
    this.#database.exec(SCHEMA);
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#claim = prepare(CLAIM);
    this.#find = prepare("SELECT input, body, content_type, headers FROM work WHERE key = :key");
    this.#keep = prepare(
      `UPDATE work SET body = :body, content_type = :contentType, headers = :headers,
        ends_at = :endsAt
      WHERE key = :key AND owner = :owner`,
    );
    this.#release = prepare(
      "DELETE FROM work WHERE key = :key AND owner = :owner AND content_type IS NULL",
    );
    this.#clean = prepare("DELETE FROM work WHERE ends_at < :now");
  }

  /** Claims work. */
  claim({ key, input, owner }: IdempotencyClaim, leaseMs: number): IdempotencyState {
    const now = Date.now();
    const { changes } = this.#claim.run({ key, input, owner, endsAt: now + leaseMs, now });
    if (Number(changes) > 0) return { state: "claimed" };
    const row = this.#find.get({ key });
    // It was freed in between: whoever asks again may have it.
    if (row === undefined) return { state: "running", input };
    return stateOf(row);
  }

  /** Keeps an output. */
  keep({ key, owner }: IdempotencyClaim, output: IdempotencyOutput, maxAgeMs: number): void {
    const { body, contentType } = output;
    const headers = output.headers === undefined ? null : JSON.stringify(output.headers);
    const now = Date.now();
    this.#keep.run({ key, owner, body, contentType, headers, endsAt: now + maxAgeMs });
    if (++this.#outputs % OUTPUTS_PER_CLEANING === 0) this.#clean.run({ now });
  }

  /** Frees work that had no output. */
  release({ key, owner }: IdempotencyClaim): void {
    this.#release.run({ key, owner });
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

/** The table is strict: only the body may be of two types. */
function stateOf(row: Record<string, unknown>): IdempotencyState {
  const { body, content_type: contentType, headers } = row;
  const input = String(row.input);
  if (typeof contentType !== "string") return { state: "running", input };
  const output = { body: body instanceof Uint8Array ? body : String(body), contentType };
  if (typeof headers !== "string") return { state: "done", input, output };
  // We have written it.
  return { state: "done", input, output: { ...output, headers: JSON.parse(headers) } };
}
