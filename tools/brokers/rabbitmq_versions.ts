/** The releases of RabbitMQ that this project is tested with. @module */

import { findRabbitmq, type RabbitmqInstall } from "./rabbitmq_install.ts";
import { installRabbitmq } from "./rabbitmq_packages.ts";

/** A release, without its last number. */
export type RabbitmqVersion = "3.10" | "4.0" | "4.3";

/** The Debian release that has each. */
const SUITES: Readonly<Record<RabbitmqVersion, string>> = {
  "3.10": "bookworm",
  "4.0": "trixie",
  "4.3": "forky",
};

/** All of them, oldest first. */
export const RABBITMQ_VERSIONS: readonly RabbitmqVersion[] = ["3.10", "4.0", "4.3"];

/** Tells whether a text names one of the releases. */
export function isRabbitmqVersion(text: string): text is RabbitmqVersion {
  return Object.hasOwn(SUITES, text);
}

/** Tells whether a full version, such as `4.0.5`, is of a release, such as `4.0`. */
export function isOfRelease(version: string, release: string): boolean {
  return version.startsWith(`${release}.`);
}

/** Compares two versions, as far as both go: below 0 if the first is the older one. */
export function compareVersions(one: string, other: string): number {
  const others = other.split(".").map(Number);
  const differences = one.split(".").map((part, index) => Number(part) - (others[index] ?? NaN));
  return differences.find((difference) => difference !== 0) || 0;
}

/** Finds a release without installing it, or says what to do. */
export function knownRabbitmq(version: RabbitmqVersion): RabbitmqInstall | string {
  const places = [undefined, "/", cacheFolder(version)];
  for (const place of places) {
    const found = findRabbitmq(place);
    if (typeof found !== "string" && isOfRelease(found.version, version)) return found;
  }
  return `RabbitMQ ${version} is not there: run "deno task rabbitmq ${version}"`;
}

/**
 * Gives a release: this system's if it is that one, or the one in the cache, where it is installed
 * if need be.
 *
 * @throws {Error} If it cannot be installed.
 */
export async function provideRabbitmq(version: RabbitmqVersion): Promise<RabbitmqInstall> {
  const known = knownRabbitmq(version);
  if (typeof known !== "string") return known;
  const folder = cacheFolder(version);
  await installRabbitmq({ suite: SUITES[version], folder });
  const found = findRabbitmq(folder);
  if (typeof found !== "string" && isOfRelease(found.version, version)) return found;
  throw new Error(
    `Cannot install RabbitMQ ${version} as Debian's "${SUITES[version]}" has another: ${
      typeof found === "string" ? found : found.version
    }`,
  );
}

/** `WARREN_CACHE`, or a folder in the user's cache. */
function cacheFolder(version: RabbitmqVersion): string {
  const { WARREN_CACHE, XDG_CACHE_HOME, HOME = "/tmp" } = Deno.env.toObject();
  const cache = WARREN_CACHE || `${XDG_CACHE_HOME || `${HOME}/.cache`}/warren`;
  return `${cache}/rabbitmq-${version}`;
}
