/** The folder of the project: where deno.json is. */
export const ROOT: URL = new URL("../../", import.meta.url);
