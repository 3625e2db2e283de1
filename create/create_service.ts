/** Writes the files of a new service. @module */

import { serviceFiles } from "./service_files.ts";

/**
 * Writes a new service into a folder, which is made if it is not there.
 *
 * @param folder Its path.
 * @returns The names of the files.
 * @throws {Error} If one of them exists; then none is written.
 */
export async function createService(folder: string): Promise<readonly string[]> {
  const files = serviceFiles();
  const names = Object.keys(files);
  for (const name of names) {
    if (await exists(`${folder}/${name}`)) {
      throw new Error(`Cannot create a service in "${folder}" as it has a file "${name}"`);
    }
  }
  await Deno.mkdir(`${folder}/.vscode`, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text, { createNew: true });
  }
  return names;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
