// deno run --allow-net --allow-env=AMQP_URL --allow-read=. examples/schema/main.ts
import { z } from "../../deps/zod.ts";
import { procedure } from "../../extras/schema.ts";
import { RpcClient, RpcServer, safe } from "../../mod.ts";
import { main } from "../command_line.ts";

const USERS = new Map([[1, { name: "Ada", born: 1815 }]]);

/** The server's code is the contract: callers import its type, and load nothing of it. */
const handlers = {
  users: {
    get: procedure(
      {
        input: z.object({ id: z.number().int().positive() }),
        output: z.object({ name: z.string(), born: z.number() }),
        errors: { NOT_FOUND: z.object({ id: z.number() }) },
      },
      ({ id }, { errors }) => {
        const user = USERS.get(id);
        if (user === undefined) throw errors.NOT_FOUND({ id });
        return user;
      },
    ),
  },
};

await main("schema/main.ts", async ({ url, queue = "users_queue" }) => {
  await using _server = await RpcServer.listen(url, { queue, handlers });
  await using client = await RpcClient.connect<typeof handlers>(url, { queue });

  const { name, born } = await client.api.users.get({ id: 1 });
  console.log(`User 1 is ${name}, born in ${born}`);

  // The code tells the errors apart, and the compiler knows what each has in it.
  const missing = await safe(client.api.users.get({ id: 2 }));
  if (!missing.ok && missing.error.code === "NOT_FOUND") {
    console.log(`There is no user ${missing.error.details.id}`);
  }

  // The handler does not run for an input that does not match.
  const wrong = await safe(client.api.users.get({ id: -1 }));
  if (!wrong.ok) console.log(`${wrong.error.code}: ${wrong.error.message}`);
});
