/** The rooms of the product and which way leads from one to another. @module */

/** Files that are about one thing. */
export interface Room {
  readonly name: string;
  /** Paths of its files. */
  readonly files: RegExp;
  /** The rooms that its files may import. */
  readonly uses: readonly string[];
}

/** What everybody may stand on. */
export const GROUND: readonly string[] = ["internal (leaves)", "options", "values", "deps"];

/**
 * All rooms, from the top down: no arrow leads up. `docs/architecture.md` shows them as a picture.
 */
export const ROOMS: readonly Room[] = [
  {
    name: "current_call",
    files: /^current_call\.ts$/,
    uses: ["internal (leaves)", "values"],
  },
  {
    name: "cli",
    files: /^cli\//,
    uses: [
      "mod",
      "extras/control",
      "extras/definitions",
      "extras/health",
      "extras/msgpack",
      "extras/parked",
      "testing",
      "workers (entries)",
      "values",
      "deps",
    ],
  },
  { name: "create", files: /^create\//, uses: [] },
  { name: "extras/schema", files: /^extras\/schema\.ts$/, uses: ["internal (leaves)", "values"] },
  {
    name: "extras/log_events",
    files: /^extras\/log_events\.ts$/,
    uses: ["internal (leaves)", "values"],
  },
  { name: "extras/msgpack", files: /^extras\/msgpack\//, uses: ["values"] },
  {
    name: "extras/parked",
    files: /^extras\/parked\//,
    uses: ["internal/protocol", "internal/broker", ...GROUND],
  },
  {
    name: "extras/control",
    files: /^extras\/control\//,
    uses: ["internal/protocol", "internal/broker", ...GROUND],
  },
  {
    name: "extras/definitions",
    files: /^extras\/definitions\.ts$/,
    uses: ["internal/protocol", "internal/broker", "internal (leaves)"],
  },
  {
    name: "extras/describe",
    files: /^extras\/describe\.ts$/,
    uses: ["internal/control", "internal/protocol", "internal (leaves)"],
  },
  {
    name: "extras/health",
    files: /^extras\/health\//,
    uses: ["extras/metrics", "internal (leaves)", "options", "values"],
  },
  {
    name: "extras/otel",
    files: /^extras\/otel\//,
    uses: ["extras/metrics", ...GROUND],
  },
  {
    name: "extras/metrics",
    files: /^extras\/metrics\//,
    uses: ["internal (leaves)", "options", "values"],
  },
  { name: "extras/idempotency", files: /^extras\/idempotency\//, uses: ["options"] },
  {
    name: "extras/resilience",
    files: /^extras\/resilience\//,
    uses: ["internal/callers", ...GROUND],
  },
  {
    name: "testing",
    files: /^testing\/(?!clients\/)/,
    uses: ["testing/clients", "internal (leaves)", "values"],
  },
  {
    name: "testing/clients",
    files: /^testing\/clients\//,
    uses: ["internal/serving", "internal/running", "internal (leaves)", "values"],
  },
  {
    name: "mod",
    files: /^mod\.ts$/,
    uses: ["client", "connection", "server", "shard_of", "options", "values"],
  },
  {
    name: "shard_of",
    files: /^shard_of\.ts$/,
    uses: ["internal (leaves)", "values"],
  },
  {
    name: "client",
    files: /^client\.ts$/,
    uses: ["connection", "internal/calling", "internal/callers", ...GROUND],
  },
  {
    name: "server",
    files: /^server\.ts$/,
    uses: ["connection", "internal/queues", "internal/broker", ...GROUND],
  },
  {
    name: "connection",
    files: /^connection\.ts$/,
    uses: ["internal/broker", "internal (leaves)", "options"],
  },
  {
    name: "workers (entries)",
    files: /^workers\/\w+\.ts$/,
    uses: [
      "workers/pool",
      "workers/host",
      "workers/worker",
      "workers/wire",
      "internal/running",
      "internal/streaming",
      "internal (leaves)",
      "values",
    ],
  },
  {
    name: "workers/pool",
    files: /^workers\/pool\//,
    uses: [
      "workers/host",
      "workers/wire",
      "internal/running",
      "internal/streaming",
      "internal (leaves)",
      "values",
    ],
  },
  {
    name: "workers/host",
    files: /^workers\/host\//,
    uses: ["workers/worker", "workers/wire", "internal (leaves)", "values"],
  },
  {
    name: "workers/worker",
    files: /^workers\/worker\//,
    uses: [
      "workers/wire",
      "internal/running",
      "internal/streaming",
      "internal (leaves)",
      "values",
    ],
  },
  { name: "workers/wire", files: /^workers\/wire\//, uses: ["internal (leaves)", "values"] },
  {
    name: "internal/calling",
    files: /^internal\/calling\//,
    uses: [
      "internal/callers",
      "internal/streaming",
      "internal/protocol",
      "internal/broker",
      ...GROUND,
    ],
  },
  {
    name: "internal/queues",
    files: /^internal\/queues\//,
    uses: [
      "internal/control",
      "internal/serving",
      "internal/protocol",
      "internal/broker",
      ...GROUND,
    ],
  },
  {
    name: "internal/control",
    files: /^internal\/control\//,
    uses: [
      "internal/serving",
      "internal/running",
      "internal/protocol",
      "internal/broker",
      ...GROUND,
    ],
  },
  {
    name: "internal/serving",
    files: /^internal\/serving\//,
    uses: [
      "internal/running",
      "internal/streaming",
      "internal/protocol",
      "internal/broker",
      ...GROUND,
    ],
  },
  {
    name: "internal/running",
    files: /^internal\/running\//,
    uses: ["internal/callers", "internal/streaming", "internal (leaves)", "values"],
  },
  {
    name: "internal/callers",
    files: /^internal\/callers\//,
    uses: ["internal/streaming", "internal (leaves)", "values"],
  },
  {
    name: "internal/streaming",
    files: /^internal\/streaming\//,
    uses: ["internal (leaves)", "values"],
  },
  {
    name: "internal/protocol",
    files: /^internal\/protocol\//,
    uses: ["internal/broker", ...GROUND],
  },
  {
    name: "internal/broker",
    files: /^internal\/broker\//,
    uses: GROUND,
  },
  {
    name: "internal (leaves)",
    files: /^internal\/(?!(json_)?text\.ts)\w+\.ts$/,
    uses: ["options", "values"],
  },
  { name: "options", files: /^options\//, uses: ["values"] },
  // What is printed passes internal/text.ts wherever it comes from.
  {
    name: "values",
    files: /^((caller|contract|codec|errors)|internal\/(json_)?text)\.ts$/,
    uses: [],
  },
  { name: "deps", files: /^deps\//, uses: [] },
];

/** The room that a file is in. */
export function roomOf(path: string): Room | undefined {
  return ROOMS.find(({ files }) => files.test(path));
}
