/**
 * A Web Lock that a worker holds for as long as it lives. Deno tells the owner of a Web Worker
 * nothing when it ends by `self.close()`, and nothing when a terminated one that was busy really
 * stops; the release of a lock tells both, about 1.5 ms later.
 *
 * @module
 */

/** The part of the Web Locks API used here, which Deno's types lack. */
interface Locks {
  request(name: string, hold: () => Promise<void> | void): Promise<void>;
}

/** Deno has had Web Locks since 2.9.4; without them, only deaths that the worker reports are known. */
const { locks } = navigator as { readonly locks?: Locks };

/**
 * Takes a lock and keeps it until this thread ends.
 *
 * @returns The name of the lock, once it is held.
 */
export function holdLivenessLock(): Promise<string> {
  const name = `@warren/rpc worker ${crypto.randomUUID()}`;
  if (locks === undefined) return Promise.resolve(name);
  return new Promise((resolve, reject) => {
    locks.request(name, () => {
      resolve(name);
      return new Promise<never>(() => {});
    }).catch(reject);
  });
}

/**
 * Waits until the thread that holds a lock has ended.
 *
 * @param name What {@linkcode holdLivenessLock} returned there.
 */
export async function livenessLockReleased(name: string): Promise<void> {
  await (locks === undefined ? new Promise<never>(() => {}) : locks.request(name, () => {}));
}
