/** The procedures in an object of handlers, by the names that callers use. @module */

import { isPlainObject } from "../../codec.ts";
import { copyNotes } from "../procedure_notes.ts";
import { openHandler } from "./encoded_handler.ts";

/** A member of an object of handlers. */
export interface Member {
  /** Its name, with those of the objects that it stands in before it: `users.get`. */
  readonly name: string;
  /** A function, a pool's handler, or what is neither and cannot be served. */
  readonly value: unknown;
}

/**
 * Finds the members of an object of handlers, those of the objects in it included. Functions keep
 * their `this`. Of an instance of a class these are its methods, and no other fields than functions.
 *
 * @throws {TypeError} If two have the same name, or an object stands in itself.
 */
export function membersOf(handlers: object): Member[] {
  const found = new Map<string, unknown>();
  collect(handlers, found, []);
  return Array.from(found, ([name, value]) => ({ name, value }));
}

/** Where a walk through objects is. */
type Way = readonly { readonly owner: object; readonly name: string }[];

function collect(owner: object, found: Map<string, unknown>, way: Way): void {
  const isInstance = ![owner, ...way.map(({ owner }) => owner)].every(isPlainObject);
  for (const [name, value] of entriesOf(owner)) {
    const path = [...way, { owner, name }];
    const fullName = path.map(({ name }) => name).join(".");
    const kind = kindOf(value);
    if (kind === "members") {
      if (path.some(({ owner }) => owner === value)) {
        throw new TypeError(`Cannot find the procedures in "${fullName}" as it stands in itself`);
      }
      collect(Object(value), found, path);
    } else if (kind === "handler" || !isInstance) {
      add(found, fullName, typeof value === "function" ? bound(value, owner) : value);
    }
  }
}

/** A function with its `this`; what only stands for one needs none. */
function bound(run: CallableFunction, owner: object): unknown {
  return openHandler(run) === undefined ? copyNotes(run, run.bind(owner)) : run;
}

function add(found: Map<string, unknown>, name: string, value: unknown): void {
  if (found.has(name)) {
    throw new TypeError(`Cannot tell the procedures apart as two of them have the name "${name}"`);
  }
  found.set(name, value);
}

function kindOf(value: unknown): "handler" | "members" | "other" {
  if (typeof value === "function") return "handler";
  if (typeof value !== "object" || value === null || !isPlainObject(value)) return "other";
  return Object.keys(value).length > 0 ? "members" : "other";
}

/** Members of its own, and the methods of its classes: a subclass comes before what it extends. */
function entriesOf(owner: object): Map<string, unknown> {
  const entries = new Map<string, unknown>(Object.entries(owner));
  if (isPlainObject(owner)) return entries;
  let prototype: object | null = Object.getPrototypeOf(owner);
  while (prototype !== null && prototype !== Object.prototype) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      const isMethod = typeof value === "function" && name !== "constructor";
      if (isMethod && !entries.has(name)) entries.set(name, value);
    }
    prototype = Object.getPrototypeOf(prototype);
  }
  return entries;
}
