/**
 * `deno task npm`: makes the package for npm, which Node and Bun take.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import { buildNpmPackage } from "./npm_package.ts";

const [file = `warren-rpc-${config.version}.tgz`] = Deno.args;
await buildNpmPackage(file);
console.log(file);
