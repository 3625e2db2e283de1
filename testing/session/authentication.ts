/** The authentication mechanisms PLAIN and AMQPLAIN. @module */

import type { User } from "../model/users.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import { decodeText } from "../wire/byte_reader.ts";
import { decodeTable } from "../wire/field_table.ts";
import { textOf } from "../wire/field_value.ts";
import type { BrokerContext } from "./broker_context.ts";

/** The mechanisms that the broker offers. */
export const MECHANISMS = "PLAIN AMQPLAIN";

/**
 * Returns the user who logs in.
 *
 * @throws {AmqpError} If the mechanism is unknown or the login is wrong.
 */
export function authenticate(
  context: BrokerContext,
  { mechanism, response }: { readonly mechanism: string; readonly response: Uint8Array },
): User {
  const { name, password } = readCredentials(mechanism, response);
  const user = context.findUser(name);
  if (user?.hasPassword(password)) return user;
  throw new AmqpError(
    "access-refused",
    `Login was refused using authentication mechanism ${mechanism}. ` +
      "For details see the broker logfile.",
  );
}

function readCredentials(
  mechanism: string,
  response: Uint8Array,
): { name: string; password: string } {
  if (mechanism === "PLAIN") {
    const [, name, password] = decodeText(response).split("\0");
    if (name === undefined || password === undefined) {
      throw new AmqpError("syntax-error", "response cannot be decoded as PLAIN");
    }
    return { name, password };
  }
  if (mechanism === "AMQPLAIN") {
    const table = decodeTable(response);
    const name = textOf(table.get("LOGIN"));
    const password = textOf(table.get("PASSWORD"));
    if (name === undefined || password === undefined) {
      throw new AmqpError("syntax-error", "AMQPLAIN auth info is missing LOGIN or PASSWORD field");
    }
    return { name, password };
  }
  throw new AmqpError("command-invalid", `unknown authentication mechanism '${mechanism}'`);
}
