/**
 * How servers, clients and pools are, for probes of Kubernetes and others: over HTTP, or as a file.
 *
 * @module
 */

export { CallHistory } from "./call_history.ts";
export { healthHandler } from "./handler.ts";
export type { HealthHandler, HealthHandlerOptions, HealthRequestInfo } from "./handler.ts";
export { HeartbeatFile } from "./heartbeat_file.ts";
export type { HeartbeatFileOptions } from "./heartbeat_file.ts";
export { health } from "./report.ts";
export type {
  HealthCheck,
  HealthParts,
  HealthReport,
  MonitoredPool,
  MonitoredService,
} from "./report.ts";
export type { RpcClientEvent, RpcServerEvent, RpcState } from "../../options/events.ts";
