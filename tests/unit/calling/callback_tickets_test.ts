import { assertEquals, assertStringIncludes, assertThrows } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import {
  type CallbackTicket,
  CallbackTickets,
} from "../../../internal/calling/callback_tickets.ts";

const [OLD, NEW, OTHER] = [
  "the old key of a client",
  new Uint8Array(32).fill(7),
  "another's key 16",
];

const TICKET: CallbackTicket = {
  id: "7",
  name: "bill",
  context: { order: 2n ** 64n },
  procedure: "add",
  queue: "math",
  immediate: false,
  startedAt: 0,
  expiresAt: Date.now() + 60_000,
};

const tickets = new CallbackTickets([OLD], "billing");

function codeOf(reader: CallbackTickets, signed: string, id = "7"): unknown {
  return assertThrows(() => reader.read(signed, id), RpcError).code;
}

Deno.test("CallbackTickets reads what it has written", () => {
  assertEquals(tickets.read(tickets.write(TICKET), "7"), TICKET);
});

Deno.test("CallbackTickets refuses what it has not signed", () => {
  const signed = tickets.write(TICKET);
  const [signature = "", text = ""] = signed.split(/\.(.*)/s);
  const changed = ['"name":"pay"', '"queue":"x"', '"procedure":"sub"', '"expiresAt":9999999999999'];
  const forged = changed.map((member) => {
    const name = member.slice(0, member.indexOf(":"));
    return `${signature}.${text.replace(new RegExp(`${name}:("[^"]*"|\\d+)`), member)}`;
  });
  const odd = [text, `.${text}`, `${signature}.`, signature, `x${signed}`, `${signed} `, "é.{}"];
  for (const each of [...forged, ...odd]) assertEquals(codeOf(tickets, each), "protocol", each);
});

Deno.test("CallbackTickets refuses the ticket of another reply, queue or client", () => {
  const signed = tickets.write(TICKET);
  assertEquals(codeOf(tickets, signed, "8"), "protocol");
  assertEquals(codeOf(new CallbackTickets([OLD], "other"), signed), "protocol");
  assertEquals(codeOf(new CallbackTickets([OTHER], "billing"), signed), "protocol");
  assertEquals(codeOf(new CallbackTickets([], "billing"), signed), "protocol");
});

Deno.test("CallbackTickets refuses a ticket that has expired", () => {
  const signed = tickets.write({ ...TICKET, expiresAt: Date.now() - 1 });
  assertEquals(codeOf(tickets, signed), "expired");
});

Deno.test("CallbackTickets reads what an old key has signed, and signs with the new one", () => {
  const rotated = new CallbackTickets([NEW, OLD], "billing");
  assertEquals(rotated.read(tickets.write(TICKET), "7"), TICKET);
  assertEquals(codeOf(tickets, rotated.write(TICKET)), "protocol");
  assertEquals(new CallbackTickets([NEW], "billing").read(rotated.write(TICKET), "7"), TICKET);
});

Deno.test("CallbackTickets says how to make a key where there is none", () => {
  const { message } = assertThrows(() => new CallbackTickets([], "").write(TICKET), TypeError);
  assertStringIncludes(message, '"callbackKeys" is missing');
  assertStringIncludes(message, "openssl rand -hex 32");
});
