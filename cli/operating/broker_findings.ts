/** What `warren doctor` looks for at the broker, and between it and those who use it. @module */

import { check, type Finding, type Symptoms } from "./findings.ts";

/** The least that RabbitMQ takes from 4.1 on. */
const MIN_FRAME_BYTES = 8_192;

/** Deadlines have as much to spare, in milliseconds. */
const CLOCK_GRACE_MS = 5_000;

/** RabbitMQ takes requests back after 30 minutes unless told otherwise, in milliseconds. */
const LONG_MS = 20 * 60_000;

/** How long requests are in hand that {@linkcode Symptoms} has as long ones, in milliseconds. */
export const LONG_REQUEST_MS: number = LONG_MS;

/** Deno that servers need. */
const MIN_DENO = "2.9";

const MEBIBYTE = 2 ** 20;

/** Makes findings of what is known of the broker. */
export function brokerFindings(symptoms: Symptoms): Finding[] {
  return [...ofBroker(symptoms), ...ofCaller(symptoms), ...ofUse(symptoms)];
}

function ofBroker({ broker }: Symptoms): Finding[] {
  const { product, version, maxFrameBytes, blocked } = broker;
  const isRabbitmq = product === "RabbitMQ";
  const isOld = isRabbitmq && isBefore(version, "3.10");
  const found = `${product} ${version}`.trim() || "it does not say";
  return [
    check("broker", !isOld && !(isRabbitmq && version === "4.3.0"), {
      found,
      expected: "RabbitMQ 3.10 or later, and not 4.3.0",
      remedy: isOld
        ? "upgrade it: nothing here was tried with it"
        : "upgrade it to 4.3.1: 4.3.0 asks for rights to look at queues that are not needed elsewhere",
    }),
    check("broker takes messages", blocked === undefined, {
      severity: "fail",
      found: blocked === undefined ? "yes" : `no: ${blocked}`,
      expected: "yes",
      remedy: "give the broker memory or disk, or take messages out of its queues",
    }),
    check("frames", maxFrameBytes === 0 || maxFrameBytes >= MIN_FRAME_BYTES, {
      found: maxFrameBytes === 0 ? "without a limit" : `${maxFrameBytes} bytes`,
      expected: `at least ${MIN_FRAME_BYTES} bytes`,
      remedy: "raise frame_max of the broker: headers of a request must fit into one",
    }),
  ];
}

function ofCaller({ rights }: Symptoms): Finding[] {
  return [
    check("rights of a caller", rights === undefined, {
      found: rights ?? "this user may call",
      expected: "this user may call",
      remedy:
        "docs/permissions.md has the rights that callers need; without them some errors come late",
    }),
  ];
}

function ofUse({ broker, queue, infos, skewMs, longRequests }: Symptoms): Finding[] {
  if (queue === undefined) return [];
  const lossy = infos.filter(({ returns }) => returns === false);
  const old = infos.filter(({ platform }) => {
    const [, version] = /^Deno ([\d.]+)/.exec(platform) ?? [];
    return version !== undefined && isBefore(version, MIN_DENO);
  });
  const isLimited = broker.product === "RabbitMQ" && isBefore(broker.version, "4.3");
  const limit = isBefore(broker.version, "4.0") ? 128 * MEBIBYTE : 16 * MEBIBYTE;
  const largest = Math.max(0, ...infos.map(({ maxBodyBytes = 0 }) => maxBodyBytes));
  const transient = infos.filter(({ durability }) => durability === "transient");
  return [
    check("dropped requests", lossy.length === 0, {
      found: lossy.length === 0
        ? "come back to their callers"
        : "are lost: the queue has no x-dead-letter-exchange",
      expected: "come back to their callers",
      remedy: "set it by a policy, or delete the queue when it is empty: servers declare it anew",
    }),
    check("durability", transient.length === 0, {
      found: transient.length === 0
        ? "requests survive a restart"
        : "requests are lost in a restart",
      expected: "requests survive a restart",
      remedy:
        'give servers "durability": RabbitMQ 4.3 has no transient queues that connections share',
    }),
    check("body limits", broker.product !== "RabbitMQ" || largest <= limit, {
      found: largest === 0 ? "not known" : `servers take up to ${largest / MEBIBYTE} MiB`,
      expected: `at most ${limit / MEBIBYTE} MiB, unless the broker's max_message_size was raised`,
      remedy: "raise max_message_size of the broker, or lower maxBodyBytes",
    }),
    check("clocks", Math.abs(skewMs) < CLOCK_GRACE_MS, {
      found: `${Math.round(Math.abs(skewMs))} ms apart`,
      expected: `less than ${CLOCK_GRACE_MS} ms`,
      remedy: "set the clocks of the servers' hosts, and of this one, by NTP",
    }),
    check("long requests", !isLimited || longRequests === 0, {
      found: `${longRequests} in hand for more than ${LONG_MS / 60_000} minutes`,
      expected: "none, where the broker takes requests back after 30 minutes",
      remedy: "raise consumer-timeout by a policy, or limit how long the work may take",
    }),
    check("runtimes", old.length === 0, {
      found: [...new Set(old.map(({ platform }) => platform))].join(", ") || "new enough",
      expected: `Deno ${MIN_DENO} or later`,
      remedy: "upgrade Deno",
    }),
  ];
}

/** Compares versions such as `4.3.1`; of what is none, nothing is said. */
function isBefore(version: string, other: string): boolean {
  const [major = NaN, minor = NaN] = version.split(".").map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split(".").map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}
