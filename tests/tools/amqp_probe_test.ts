import { answersAmqp } from "../../tools/brokers/amqp_probe.ts";
import { freePorts } from "../../tools/brokers/free_ports.ts";
import { assert, assertEquals, assertFalse } from "../../deps/std_assert.ts";

const CONNECTION_START = new Uint8Array([1, 0, 0, 0, 0, 0, 9, 0, 10, 0, 10, 0, 9, 0, 0]);

/** Takes one connection and answers its first bytes. */
function listenOnce(answer: (bytes: Uint8Array) => Uint8Array | undefined): {
  readonly address: { readonly hostname: string; readonly port: number };
  readonly done: Promise<void>;
} {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    using connection = await listener.accept();
    listener.close();
    const buffer = new Uint8Array(64);
    const length = await connection.read(buffer) ?? 0;
    const reply = answer(buffer.subarray(0, length));
    if (reply !== undefined) await connection.write(reply);
    // Until the other side hangs up.
    await connection.read(buffer).catch(() => {});
  };
  return { address: { hostname: "127.0.0.1", port: listener.addr.port }, done: serve() };
}

Deno.test("answersAmqp() finds a broker by its connection.start", async () => {
  let heard = "";
  const { address, done } = listenOnce((bytes) => {
    heard = new TextDecoder().decode(bytes.subarray(0, 4));
    return CONNECTION_START;
  });
  assert(await answersAmqp(address));
  assertEquals(heard, "AMQP");
  await done;
});

Deno.test("answersAmqp() is false for a server of another protocol", async () => {
  const { address, done } = listenOnce(() => new TextEncoder().encode("HTTP/1.1 400 Bad Request"));
  assertFalse(await answersAmqp(address));
  await done;
});

Deno.test("answersAmqp() is false when nobody listens", async () => {
  const [port = 0] = freePorts(1);
  assertFalse(await answersAmqp({ hostname: "127.0.0.1", port }));
});

Deno.test("answersAmqp() gives a silent server up and hangs up", async () => {
  const { address, done } = listenOnce(() => undefined);
  assertFalse(await answersAmqp(address, 50));
  await done;
});

Deno.test("freePorts() gives ports that differ", () => {
  assertEquals(new Set(freePorts(20)).size, 20);
});
