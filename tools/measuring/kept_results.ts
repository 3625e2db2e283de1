/** Results of measurements that are kept in the repository, as JSON. @module */

/** Keeps results in a file. */
export async function keepResults(file: URL, results: object): Promise<void> {
  await Deno.writeTextFile(file, `${JSON.stringify(results, undefined, 1)}\n`);
}

/**
 * Reads what was kept last; nothing if there is no such file.
 *
 * @typeParam Results What was kept there.
 */
export async function readResults<Results>(file: URL): Promise<Results | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
