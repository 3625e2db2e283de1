/** Who takes part in the comparison, and how its server and its client are started. @module */

/** Who takes part. */
export interface Contender {
  /** Its name in results.json. */
  readonly id: string;
  /** Its name for readers. */
  readonly label: string;
  /** What the broker confirms. */
  readonly guarantees: "request and reply" | "request" | "none";
  readonly runtime: "Deno" | "Node" | "Python";
  /** The program and its first arguments, for a role. */
  readonly command: (role: Role) => readonly string[];
  /** How many of a scenario's calls it makes, if they would take too long: a share of them. */
  readonly share?: number;
}

/** The two sides of a call. */
export type Role = "server" | "client";

const DENO = [
  Deno.execPath(),
  "run",
  "--allow-all",
  "--quiet",
  "--no-check",
  "--no-lock",
  "--v8-flags=--expose-gc",
];
/** Debian keeps its packages for its own Python, which need not be the first on the PATH. */
const PYTHON = ["/usr/bin/python3"];

const all = "request and reply";

/** All who take part, by id. */
export const CONTENDERS: ReadonlyMap<string, Contender> = new Map([
  ours("inline", "@warren/rpc"),
  ours("inline-again", "@warren/rpc, again"),
  ours("pool", "@warren/rpc, pool"),
  ours("pool-again", "@warren/rpc, pool, again"),
  ours("batched", "@warren/rpc, batched"),
  ours("alone", "@warren/rpc, pool without a broker"),
  ours("mixed", "@warren/rpc, one queue"),
  ours("lanes", "@warren/rpc, a lane for short calls"),
  rival("amqplib_bare", { label: "amqplib by hand, Deno", runtime: "Deno", guarantees: "none" }),
  rival("amqplib_bare", { label: "amqplib by hand, Node", runtime: "Node", guarantees: "none" }),
  rival("amqplib_confirmed", {
    label: "amqplib by hand, same guarantees",
    runtime: "Deno",
    guarantees: all,
  }),
  rival("amqplib_thread", {
    label: "amqplib by hand, same guarantees, a thread",
    runtime: "Deno",
    guarantees: all,
  }),
  rival("amqplib_batched", {
    label: "amqplib by hand, same guarantees, batched",
    runtime: "Deno",
    guarantees: all,
  }),
  rival("amqplib_tutorial", {
    label: "RabbitMQ's tutorial, JavaScript",
    runtime: "Node",
    guarantees: "none",
    share: 0.05,
  }),
  rival("rabbitmq_client", {
    label: "rabbitmq-client",
    runtime: "Node",
    guarantees: "request",
  }),
  rival("cloudamqp", { label: "@cloudamqp/amqp-client", runtime: "Node", guarantees: "none" }),
  rival("elasticio", { label: "@elastic.io/amqp-rpc", runtime: "Node", guarantees: "none" }),
  rival("nestjs", { label: "NestJS", runtime: "Node", guarantees: "none" }),
  rival("moleculer", { label: "moleculer", runtime: "Node", guarantees: "none" }),
  inPython("pika", { label: "RabbitMQ's tutorial, Python", share: 0.5 }),
  inPython("celery", { label: "Celery", share: 0.2 }),
].map((contender) => [contender.id, contender]));

function ours(id: string, label: string): Contender {
  const style = id.replace("-again", "");
  return {
    id: `warren-${id}`,
    label,
    guarantees: all,
    runtime: "Deno",
    command: (role) => [...DENO, pathOf("sides/warren_side.ts"), role, style],
  };
}

function rival(module: string, about: Omit<Contender, "id" | "command">): Contender {
  const runtime = about.runtime === "Deno" ? DENO : ["node", "--expose-gc"];
  return {
    ...about,
    id: `${module.replaceAll("_", "-")}-${about.runtime.toLowerCase()}`,
    command: (role) => [...runtime, pathOf("sides/js_side.js"), role, module],
  };
}

function inPython(id: string, about: Pick<Contender, "label" | "share">): Contender {
  return {
    ...about,
    id,
    guarantees: "none",
    runtime: "Python",
    command: (role) => [...PYTHON, pathOf(`sides/${id}_side.py`), role],
  };
}

function pathOf(file: string): string {
  return new URL(file, import.meta.url).pathname;
}
