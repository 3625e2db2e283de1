import { Buffer } from "node:buffer";
import { Writable } from "node:stream";
import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import { destroySocket, gatherWrites } from "../../../internal/broker/amqp_socket.ts";

/** A socket that notes what it is given, call by call. */
function newSocket() {
  const calls: string[] = [];
  const socket = new Writable({
    write(chunk: Buffer, _encoding, done) {
      calls.push(chunk.toString());
      done();
    },
    writev(chunks, done) {
      calls.push(Buffer.concat(chunks.map(({ chunk }) => chunk)).toString());
      done();
    },
  });
  gatherWrites({ stream: socket });
  return { socket, calls };
}

Deno.test("gatherWrites() makes one write of those of one turn", async () => {
  const { socket, calls } = newSocket();
  for (const text of ["a", "b", "c"]) socket.write(text);
  await Promise.resolve();
  socket.write("d");
  await Promise.resolve();
  assertEquals(calls, ["abc", "d"]);
});

Deno.test("gatherWrites() loses nothing when the socket is ended in the same turn", async () => {
  const { socket, calls } = newSocket();
  socket.write("a");
  socket.end("b");
  await new Promise((resolve) => socket.on("finish", resolve));
  assertEquals(calls.join(""), "ab");
});

Deno.test("gatherWrites() calls back for each write", async () => {
  const { socket } = newSocket();
  const written = (text: string) => new Promise((resolve) => socket.write(text, resolve));
  const errors = await Promise.all([written("a"), written("b")]);
  assertEquals(errors.filter((error) => error instanceof Error), []);
});

Deno.test("What amqplib hides is looked at before it is used", () => {
  for (const connection of [undefined, null, {}, { stream: null }, { stream: { write() {} } }]) {
    assertThrows(() => gatherWrites(connection), Error, "amqplib has changed");
    assertThrows(() => destroySocket(connection, new Error()), Error, "amqplib has changed");
  }
});
