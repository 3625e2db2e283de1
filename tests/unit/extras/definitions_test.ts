import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import { brokerDefinitions, type DefinitionsOptions } from "../../../extras/definitions.ts";

Deno.test("brokerDefinitions() gives what a service needs", () => {
  const { exchanges, queues, bindings, policies, permissions } = brokerDefinitions({
    services: [{ queue: "math" }, { queue: "mail", durability: "durable", returns: false }],
    virtualHost: "shop",
  });
  assertEquals(exchanges.map(({ name, type, vhost }) => [name, type, vhost]), [
    ["rpc.control", "direct", "shop"],
    ["rpc.admin", "direct", "shop"],
    ["math.requests", "fanout", "shop"],
  ]);
  assertEquals(queues.map(({ name, durable, arguments: args }) => [name, durable, args]), [
    ["math", true, { "x-queue-type": "quorum", "x-dead-letter-exchange": "" }],
    ["math.parked", true, { "x-queue-type": "quorum", "x-delivery-limit": 2_147_483_647 }],
    ["mail", true, { "x-queue-type": "classic" }],
    ["mail.parked", true, { "x-queue-type": "classic" }],
  ]);
  assertEquals(bindings, [{
    source: "math.requests",
    vhost: "shop",
    destination: "math",
    destination_type: "queue",
    routing_key: "",
    arguments: {},
  }]);
  assertEquals([policies, permissions], [[], []]);
});

Deno.test("brokerDefinitions() has dropped requests come back by policy", () => {
  const { exchanges, queues, bindings, policies } = brokerDefinitions({
    services: [{ queue: "math", returns: "policy", maxWaiting: 9 }],
  });
  assertEquals(exchanges.map(({ name }) => name), ["rpc.control", "rpc.admin", "math.requests"]);
  assertEquals(queues[0]?.arguments, { "x-queue-type": "quorum" });
  assertEquals(bindings.map(({ source }) => source), ["math.requests"]);
  assertEquals(policies.map(({ definition }) => definition), [
    { "dead-letter-exchange": "", "max-length": 9, "overflow": "reject-publish" },
  ]);
});

Deno.test("brokerDefinitions() declares durable reply queues, each once", () => {
  const users = ["web", "batch"].map((name) => ({ name, replyQueues: ["billing"] }));
  const { queues, bindings } = brokerDefinitions({ services: [], users });
  assertEquals(queues.map(({ name, arguments: args }) => [name, args]), [
    ["rpc.replies.billing", {
      "x-queue-type": "quorum",
      "x-single-active-consumer": true,
      "x-delivery-limit": 2_147_483_647,
      "x-consumer-disconnected-timeout": 500,
      "x-expires": 86_400_000,
    }],
    ["rpc.replies.billing.parked", {
      "x-queue-type": "quorum",
      "x-delivery-limit": 2_147_483_647,
    }],
  ]);
  assertEquals(bindings, []);
});

Deno.test("brokerDefinitions() grants each user the least", () => {
  const { permissions } = brokerDefinitions({
    services: [{ queue: "math" }, { queue: "a+b" }, { queue: "mail", returns: false }],
    users: [
      { name: "server", serves: ["math", "a+b"] },
      { name: "client", calls: true },
      { name: "durable", replyQueues: ["billing"] },
      { name: "admin", administers: ["math", "rpc.replies.billing"] },
      { name: "nobody" },
    ],
  });
  const exchanges = "math\\.requests|a\\+b\\.requests";
  assertEquals(
    permissions.map(({ user, configure, write, read }) => [user, configure, write, read]),
    [
      [
        "server",
        "^$",
        "^(amq\\.default|amq\\.gen.*|math\\.parked|a\\+b\\.parked)$",
        "^(math|a\\+b)$",
      ],
      ["client", "^$", `^(amq\\.default|rpc\\.control|${exchanges})$`, "^$"],
      [
        "durable",
        "^$",
        `^(amq\\.default|rpc\\.control|${exchanges})$`,
        "^rpc\\.replies\\.billing$",
      ],
      [
        "admin",
        "^(math\\.parked\\.lock|rpc\\.replies\\.billing\\.parked\\.lock)$",
        "^amq\\.default$",
        "^(math\\.parked|rpc\\.replies\\.billing\\.parked)$",
      ],
      ["nobody", "^$", "^$", "^$"],
    ],
  );
});

Deno.test("brokerDefinitions() makes one policy of all that a queue wants", () => {
  const policy = { "consumer-timeout": 7_200_000 };
  const { policies } = brokerDefinitions({
    services: [
      { queue: "math.v2", maxWaiting: 1_000, delayedRetry: { maxMs: 5_000 }, policy },
      { queue: "mail", delayedRetry: { minMs: 60_000 } },
      { queue: "none" },
    ],
  });
  assertEquals(policies.map(({ pattern, definition }) => [pattern, definition]), [
    ["^math\\.v2$", {
      "max-length": 1_000,
      "overflow": "reject-publish",
      "delayed-retry-type": "failed",
      "delayed-retry-min": 500,
      "delayed-retry-max": 5_000,
      "consumer-timeout": 7_200_000,
    }],
    ["^mail$", {
      "delayed-retry-type": "failed",
      "delayed-retry-min": 60_000,
      "delayed-retry-max": 60_000,
    }],
  ]);
});

Deno.test("brokerDefinitions() names the option that is wrong, and its value", () => {
  const one = { services: [{ queue: "math" }] };
  const wrong: readonly (readonly [options: unknown, message: string])[] = [
    [
      { services: [{ queue: "" }] },
      '"queue" must be a text of 1 to 255 bytes: current value is ""',
    ],
    [
      { ...one, virtualHost: "" },
      '"virtualHost" must be a text of 1 to 255 bytes: current value is ""',
    ],
    [
      { services: [{ queue: "math", durability: "transient" }] },
      '"durability" must be one of "replicated", "durable": current value is "transient"',
    ],
    [
      { services: [{ queue: "math", maxWaiting: 0 }] },
      '"maxWaiting" must be an integer of at least 1: current value is 0',
    ],
    [
      { services: [{ queue: "math", delayedRetry: { minMs: 9, maxMs: 8 } }] },
      '"delayedRetry.maxMs" must be an integer of at least 9: current value is 8',
    ],
    [
      { ...one, users: [{ name: "web", serves: ["maths"] }] },
      '"users.serves" must be one of "math": current value is "maths"',
    ],
    [
      { ...one, users: [{ name: "web", administers: ["maths"] }] },
      '"users.administers" must be one of "math": current value is "maths"',
    ],
  ];
  for (const [options, message] of wrong) {
    const error = assertThrows(() => brokerDefinitions(options as DefinitionsOptions), Error);
    assertEquals(error.message, `Cannot define as ${message}`);
  }
  const classic = { queue: "math", durability: "durable", delayedRetry: {} } as const;
  const error = assertThrows(() => brokerDefinitions({ services: [classic] }), TypeError);
  assertEquals(
    error.message,
    'Cannot define queue "math" as "delayedRetry" needs durability "replicated": ' +
      'current value is "durable"',
  );
});
