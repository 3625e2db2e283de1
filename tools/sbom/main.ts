/**
 * `deno task sbom`: prints the packages that the published package brings along.
 *
 * @module
 */

import { billOfMaterials } from "./bill_of_materials.ts";

console.log(JSON.stringify(await billOfMaterials(), undefined, 2));
