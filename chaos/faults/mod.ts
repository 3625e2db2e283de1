/** All faults, in the order of the scorecard. @module */

import { compareVersions } from "../../tools/brokers/rabbitmq_versions.ts";
import type { Fault } from "../fault.ts";
import { badConnections } from "./bad_connections.ts";
import { brokerKills } from "./broker_kills.ts";
import { brokerRefusals } from "./broker_refusals.ts";
import { badClients, badServer } from "./checker_faults.ts";
import { clusterFaults } from "./cluster_faults.ts";
import { fatalTask } from "./fatal_task.ts";
import { floods } from "./flood.ts";
import { hungHandlers } from "./hung_handlers.ts";
import { leaks } from "./leaks.ts";
import { memoryAlarm } from "./memory_alarm.ts";
import { networkFaults } from "./network_faults.ts";
import { partition } from "./partition.ts";
import { poison } from "./poison.ts";
import { refusedBodies } from "./refused_bodies.ts";
import { replyQueueKills } from "./reply_queue_kills.ts";
import { serverKills } from "./server_kills.ts";
import { serverStops } from "./server_stops.ts";
import { sharedFlood } from "./shared_flood.ts";
import { workerFaults } from "./worker_faults.ts";

/** All rows of the suite. */
export const FAULTS: readonly Fault[] = [
  serverKills,
  brokerKills,
  ...clusterFaults,
  partition,
  ...networkFaults,
  ...brokerRefusals,
  memoryAlarm,
  poison,
  ...workerFaults,
  fatalTask,
  hungHandlers,
  replyQueueKills,
  serverStops,
  ...floods,
  refusedBodies,
  sharedFlood,
  leaks,
  badConnections,
  badServer,
  ...badClients,
];

/** The rows that a release of RabbitMQ is to outlive; all if it is not known. */
export function faultsOf(version: string): readonly Fault[] {
  return FAULTS.filter(({ since }) => {
    return since === undefined || version === "" || compareVersions(version, since) >= 0;
  });
}
