/** Users, their passwords and what they may do in each virtual host. @module */

import { checkType, wrongValue } from "../../internal/check.ts";
import { AmqpError } from "../wire/amqp_error.ts";

/** Regular expressions for names of exchanges and queues, as `rabbitmqctl set_permissions` takes them. */
export interface UserPermissions {
  /** What the user may declare and delete. @default {".*"} */
  readonly configure?: string;
  /** What the user may publish and bind to. @default {".*"} */
  readonly write?: string;
  /** What the user may consume, get, purge and bind from. @default {".*"} */
  readonly read?: string;
}

/** A user of the broker. */
export interface UserOptions {
  /** The name. */
  readonly name: string;
  /** The password. */
  readonly password: string;
  /** Permissions by virtual host; a user has no access to others. @default {{ "/": {} }} */
  readonly permissions?: Readonly<Record<string, UserPermissions>>;
  /** Whether the user may put another name into the property `userId`. @default {false} */
  readonly impersonator?: boolean;
}

/** What may be done with an exchange or a queue. */
export type Permission = "configure" | "write" | "read";

/** A queue or an exchange that a user wants to use. */
export interface Resource {
  /** Which of both. */
  readonly kind: "queue" | "exchange";
  /** Its name. */
  readonly name: string;
  /** Its virtual host. */
  readonly virtualHost: string;
}

type CompiledPermissions = Readonly<Record<Permission, RegExp>>;

/** A user who has logged in. */
export class User {
  /** The name. */
  readonly name: string;
  #impersonator = false;
  #password = "";
  readonly #permissions = new Map<string, CompiledPermissions>();

  /** Creates a user. */
  constructor(options: UserOptions) {
    this.name = options.name;
    this.change(options);
  }

  /** Whether the user may put another name into the property `userId`. */
  get impersonator(): boolean {
    return this.#impersonator;
  }

  /** Changes what the user may do, also on connections that are open, and the password. */
  change({ password, permissions = { "/": {} }, impersonator = false }: UserOptions): void {
    this.#impersonator = impersonator;
    this.#password = password;
    this.#permissions.clear();
    for (const [virtualHost, { configure, write, read }] of Object.entries(permissions)) {
      this.#permissions.set(virtualHost, {
        configure: compile(configure),
        write: compile(write),
        read: compile(read),
      });
    }
  }

  /** The virtual hosts to which the user has access. */
  get virtualHosts(): string[] {
    return [...this.#permissions.keys()];
  }

  /** Tells whether the password is right. */
  hasPassword(password: string): boolean {
    return password === this.#password;
  }

  /** Tells whether the user may use a virtual host. */
  mayAccess(virtualHost: string): boolean {
    return this.#permissions.has(virtualHost);
  }

  /**
   * Checks a permission.
   *
   * @throws {AmqpError} If the user does not have it.
   */
  assertMay(
    permission: Permission,
    { kind, name, virtualHost }: Resource,
  ): void {
    // RabbitMQ checks the default exchange under this name.
    const checked = kind === "exchange" && name === "" ? "amq.default" : name;
    if (this.#permissions.get(virtualHost)?.[permission].test(checked)) return;
    throw this.#refusal({ kind, name: checked, virtualHost });
  }

  /**
   * Checks that the user has any right to a queue or an exchange.
   *
   * @throws {AmqpError} If there is none.
   */
  assertMayAny(resource: Resource): void {
    const permissions = this.#permissions.get(resource.virtualHost);
    const all = permissions === undefined ? [] : Object.values(permissions);
    if (!all.some((pattern) => pattern.test(resource.name))) throw this.#refusal(resource);
  }

  #refusal({ kind, name, virtualHost }: Resource): AmqpError {
    return new AmqpError(
      "access-refused",
      `access to ${kind} '${name}' in vhost '${virtualHost}' refused for user '${this.name}'`,
    );
  }
}

/**
 * Checks the options of a user.
 *
 * @throws {TypeError} If one is not of its type, or a permission no regular expression.
 */
export function checkUser(action: string, options: UserOptions): void {
  checkType(action, { user: options }, "object");
  const { name, password, permissions = {}, impersonator } = options;
  for (const [key, value] of Object.entries({ name, password })) {
    if (typeof value !== "string" || (key === "name" && value === "")) {
      throw new TypeError(wrongValue(action, [key, value], "a text"));
    }
  }
  checkType(action, { impersonator }, "boolean");
  checkType(action, { permissions }, "object");
  for (const [virtualHost, rights] of Object.entries(permissions)) {
    checkType(action, { [`permissions["${virtualHost}"]`]: rights }, "object");
    const { configure, write, read } = rights;
    for (const [key, value] of Object.entries({ configure, write, read })) {
      if (value === undefined || isExpression(value)) continue;
      throw new TypeError(wrongValue(action, [key, value], "a regular expression"));
    }
  }
}

function isExpression(source: unknown): boolean {
  try {
    return typeof source === "string" && compile(source) instanceof RegExp;
  } catch {
    return false;
  }
}

/** An empty expression matches the empty name only, as RabbitMQ has it. */
function compile(source = ".*"): RegExp {
  return new RegExp(source === "" ? "^$" : source, "u");
}
