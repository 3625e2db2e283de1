/**
 * What a server's procedures take and give, as JSON Schema and as OpenAPI: for documentation, for
 * gateways, and for callers in other languages.
 *
 * Schemas are described by their own library, if it follows
 * {@link https://standardschema.dev/json-schema | Standard JSON Schema}, as zod and arktype do.
 *
 * @example A page for another team
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { z } from "npm:zod@^4.0.0";
 * import { describe, openApi } from "@warren/rpc/describe";
 * import { procedure } from "@warren/rpc/schema";
 *
 * const schemas = { input: z.object({ id: z.string() }), description: "Finds a user." };
 * const handlers = { users: { get: procedure(schemas, ({ id }) => ({ id, name: "Ann" })) } };
 * assertEquals(describe(handlers).map(({ name, description }) => [name, description]), [
 *   ["users.get", "Finds a user."],
 * ]);
 * const { paths } = openApi(handlers, { title: "Users", version: "1.0.0" });
 * assertEquals(Object.keys(paths), ["/users.get"]);
 * ```
 *
 * @module
 */

import { checkOptions, checkType } from "../internal/check.ts";
import {
  describeProcedures,
  type ProcedureDescription,
} from "../internal/control/procedure_infos.ts";

export type { ProcedureDescription } from "../internal/control/procedure_infos.ts";
export type { ProcedureInfo } from "../internal/protocol/control_question.ts";

/** What an OpenAPI document says of the whole. */
export interface OpenApiInfo {
  /** The name of the service. */
  readonly title: string;
  /** The version of its contract. */
  readonly version: string;
  /**
   * What it is for.
   *
   * @default {undefined}
   */
  readonly description?: string | undefined;
}

/** An OpenAPI document, which `JSON.stringify()` writes. */
export interface OpenApiDocument {
  /** The version of OpenAPI. */
  readonly openapi: "3.1.0";
  /** What it says of the whole. */
  readonly info: OpenApiInfo;
  /** A `post` for each procedure, by its name after a slash. */
  readonly paths: Readonly<Record<string, unknown>>;
}

/**
 * Describes procedures.
 *
 * @param handlers What a server is given: functions, procedures or a pool's handlers, in objects or not.
 * @returns Each procedure, in the order of the handlers: its name, and what its code says of it. Of a
 * pool's handlers only the names are known.
 * @throws {TypeError} If the handlers are no object, or two procedures have one name.
 */
export function describe(handlers: object): ProcedureDescription[] {
  checkType("describe procedures", { handlers: handlers ?? null }, "object");
  return describeProcedures(handlers);
}

/**
 * Describes procedures as an OpenAPI 3.1 document. It has a `post` for each, although nobody serves it
 * by HTTP here: it is for tools that read OpenAPI, and for whoever puts a gateway before the queue.
 *
 * - The request's body is the input, and the one of the response `200` the output, as JSON.
 * - The `200` of a stream is lines of JSON, each an item.
 * - Any other response is an error: `{ name, code, message, details }`, with the codes of the procedure.
 * - `meta` is `x-meta`.
 *
 * @param handlers As {@linkcode describe} takes them.
 * @param info What the document says of the whole.
 * @returns The document.
 * @throws {TypeError} If the handlers are no object, or a title or version is missing.
 */
export function openApi(handlers: object, info: OpenApiInfo): OpenApiDocument {
  checkOptions("describe procedures", info);
  const { title, version, description } = info;
  checkType("describe procedures", { title: title ?? null, version: version ?? null }, "string");
  checkType("describe procedures", { description }, "string");
  const paths = describe(handlers).map((procedure) => [`/${procedure.name}`, pathOf(procedure)]);
  return {
    openapi: "3.1.0",
    info: { title, version, ...(description !== undefined && { description }) },
    paths: Object.fromEntries(paths),
  };
}

function pathOf(procedure: ProcedureDescription): object {
  const { name, kind, description, input, output, errors, meta } = procedure;
  const itemsOrOutput = kind === "stream" ? "application/jsonl" : "application/json";
  return {
    post: {
      operationId: name,
      ...(description !== undefined && { summary: description }),
      ...(meta !== undefined && { "x-meta": meta }),
      ...(input !== undefined && {
        requestBody: {
          required: true,
          content: { "application/json": { schema: resource(input, `${name}:input`) } },
        },
      }),
      responses: {
        200: {
          description: kind === "stream" ? "The items, one in each line" : "The output",
          content: {
            [itemsOrOutput]: output === undefined
              ? {}
              : { schema: resource(output, `${name}:output`) },
          },
        },
        default: {
          description: "Why there is no output",
          content: { "application/json": { schema: errorSchema(name, errors) } },
        },
      },
    },
  };
}

/** Those that the procedure says it throws, and any other. */
function errorSchema(name: string, errors: ProcedureDescription["errors"] = {}): object {
  const any = {
    type: "object",
    properties: {
      name: { type: "string" },
      code: { type: "string" },
      message: { type: "string" },
      details: {},
    },
    required: ["name", "code", "message"],
  };
  const own = Object.entries(errors).map(([code, details]) => ({
    type: "object",
    properties: { code: { const: code }, details: resource(details, `${name}:${code}`) },
    required: ["code"],
  }));
  return own.length === 0 ? any : { ...any, anyOf: [...own, {}] };
}

/** A schema with an id of its own, so that what it refers to is found in it, not in the document. */
function resource(schema: unknown, id: string): unknown {
  if (typeof schema !== "object" || schema === null || "$id" in schema) return schema;
  return { $id: `urn:rpc:${encodeURIComponent(id)}`, ...schema };
}
