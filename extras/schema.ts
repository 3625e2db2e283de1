/**
 * Procedures that check their input, and their output, against schemas of any library that follows
 * {@link https://standardschema.dev | Standard Schema}: zod, valibot, arktype and others.
 *
 * Nothing of such a library is loaded here, so that workers load only the one that they use.
 *
 * @example A procedure with a schema
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { z } from "npm:zod@^4.0.0";
 * import { procedure } from "@warren/rpc/schema";
 *
 * const procedures = {
 *   area: procedure(
 *     { input: z.object({ width: z.number().positive(), height: z.number().positive() }) },
 *     ({ width, height }) => width * height,
 *   ),
 * };
 * type AreaContract = typeof procedures;
 * assertEquals(Object.keys(procedures), ["area"]);
 * ```
 *
 * @module
 */

import type {
  CallArguments,
  CallContext,
  HeaderValue,
  ReportsProgress,
  StandardSchema,
  Streamed,
  ThrowsErrors,
  Typed,
} from "../contract.ts";
import { RpcError } from "../errors.ts";
import { noteSchemas } from "../internal/procedure_notes.ts";
import {
  check,
  checkedProgress,
  checkOutput,
  checkStream,
  isStream,
  type SchemaOutput,
  whenSettled,
} from "../internal/validate.ts";

export type {
  CallArguments,
  CallContext,
  ReportsProgress,
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaResult,
  Streamed,
  ThrowsErrors,
  Typed,
} from "../contract.ts";
export type { SchemaOutput, ValidationDetails, ValidationIssue } from "../internal/validate.ts";

/** What a schema accepts: what callers send. */
export type SchemaInput<Schema extends StandardSchema> = NonNullable<
  Schema["~standard"]["types"]
>["input"];

/** Schemas by the codes of errors. */
export type ErrorSchemas = Readonly<Record<string, StandardSchema>>;

/** The details of errors, by their codes. */
export type ErrorDetails<Errors extends ErrorSchemas> = [keyof Errors] extends [never] ? never : {
  readonly [Code in keyof Errors]: SchemaInput<Errors[Code]>;
};

/** The schemas of a procedure. */
export interface ProcedureSchemas<
  Input extends StandardSchema = StandardSchema,
  Output extends StandardSchema = StandardSchema,
  Errors extends ErrorSchemas = ErrorSchemas,
  Item extends StandardSchema = StandardSchema,
  Progress extends StandardSchema = StandardSchema,
> {
  /**
   * Checks what callers send, before the handler runs.
   *
   * @default {undefined} The procedure takes no input, and drops what callers send.
   */
  readonly input?: Input | undefined;
  /**
   * Checks what the handler returns, before it is sent; of a stream each item.
   *
   * @default {undefined} Whatever the handler gives is sent.
   */
  readonly output?: Output | undefined;
  /**
   * Checks each item of a procedure that streams, as `output` does, which it takes the place of: a
   * handler that does not stream is refused.
   *
   * @default {undefined}
   */
  readonly item?: Item | undefined;
  /**
   * Checks what the handler gives to `context.progress()`, which throws `invalid-output` if it does not
   * match, and types the `onProgress` of callers. Such a schema is synchronous.
   *
   * @default {undefined} Progress may be anything.
   */
  readonly progress?: Progress | undefined;
  /**
   * The details of the errors that the handler throws, by their codes: `context.errors` makes them.
   *
   * @default {none}
   */
  readonly errors?: Errors | undefined;
  /**
   * What the procedure is for, in a line, for operators who ask the server.
   *
   * @default {undefined}
   */
  readonly description?: string | undefined;
  /**
   * What else is to be known of it: interceptors of its server find it in `request.meta`, middleware in
   * `meta`, observers in the event `served`. It does not travel. Of a pool's handlers a server knows
   * none.
   *
   * @default {none}
   */
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

/** What the handler of a {@linkcode procedure} is told of its call. */
export interface ProcedureContext<
  Errors extends ErrorSchemas,
  Progress extends StandardSchema = never,
> extends CallContext {
  /**
   * Tells the caller how far the work has come, if the caller wants to know.
   *
   * @throws {RpcError} `invalid-output`, if the schema of the progress refuses it.
   */
  progress(value: [Progress] extends [never] ? unknown : SchemaInput<Progress>): void;
  /** Makes the errors that the procedure says it throws: `throw context.errors.NOT_FOUND({ id })`. */
  readonly errors: {
    readonly [Code in keyof Errors]: (
      details: SchemaInput<Errors[Code]>,
      message?: string,
    ) => RpcError;
  };
}

/** A handler that knows its schemas. */
export interface CheckedProcedure<Input, Output, Errors extends object = never, Progress = unknown>
  extends ThrowsErrors<Errors>, ReportsProgress<Progress>, Typed<Input, Output> {
  /** Runs it, as a server does. */
  (input: Input, context: CallContext): Output | Promise<Output>;
  /** Its schemas. */
  readonly schemas: ProcedureSchemas;
  /**
   * Runs it without a server, for tests: the input is checked, and so is the output.
   *
   * @param input What a caller would send.
   * @param context What of the call is not as if nobody had said anything of it.
   * @returns What the handler gives.
   * @throws {unknown} What the handler throws.
   * @throws {RpcError} `invalid-input` or `invalid-output`.
   */
  call(
    ...rest: CallArguments<Input, Partial<CallContext>>
  ): Output extends AsyncIterable<unknown> ? Output : Promise<Awaited<Output>>;
}

/** What a handler gives where a schema accepts something: it, or a stream of it. */
export type GivenFor<Output extends StandardSchema, Item extends StandardSchema = never> =
  [Item] extends [never] ? [Output] extends [never] ? unknown
    : SchemaInput<Output> | Streamed<SchemaInput<Output>>
    : Streamed<SchemaInput<Item>>;

/** What callers get of what a handler gives, by way of a schema. */
export type SentBy<Output extends StandardSchema, Given, Item extends StandardSchema = never> =
  [Item] extends [never] ? [Output] extends [never] ? Given
    : [Given] extends [Streamed] ? AsyncGenerator<SchemaOutput<Output>, void, undefined>
    : SchemaOutput<Output>
    : AsyncGenerator<SchemaOutput<Item>, void, undefined>;

/** What callers are told of progress; by no schema anything. */
export type ToldBy<Progress extends StandardSchema> = [Progress] extends [never] ? unknown
  : SchemaOutput<Progress>;

/** What a function around a procedure is told of a call. */
export interface MiddlewareCall<Known> {
  /** What the handler is told of its call, with what the middleware before this one has added. */
  readonly ctx: CallContext & Known;
  /** The input as it came: no schema has seen it. */
  readonly input: unknown;
  /** What `meta` the procedure has. */
  readonly meta: Readonly<Record<string, unknown>>;
  /**
   * Goes on to the next middleware, and at last to the procedure.
   *
   * @param added What the handler finds in its context from here on.
   * @throws What the procedure throws, or that its input or its output does not match.
   */
  next(): Promise<MiddlewareResult>;
  /** Goes on, and adds to the context of what comes. */
  next<Added extends object>(added: Added): Promise<MiddlewareResult<Added>>;
}

/** How a call ended, for the middleware around it. */
export interface MiddlewareResult<Added = unknown> {
  /** The output; of a procedure that streams its items, of which none was taken yet. */
  readonly output: unknown;
  /** Only a mark for the compiler; never set. */
  readonly "~added"?: Added;
}

/**
 * A function around procedures. It runs before the input is checked, and gives what `next()` gives, or
 * throws: an `RpcError` chooses the code that the caller sees. It may give `{ output }` of its own.
 */
export type Middleware<Known, Added> = (
  call: MiddlewareCall<Known>,
) => MiddlewareResult<Added> | Promise<MiddlewareResult<Added>>;

/**
 * Makes procedures.
 *
 * @typeParam Known What middleware has added to the context of their handlers.
 */
export interface ProcedureMaker<Known = unknown> {
  /**
   * Makes a procedure, as {@linkcode procedure} does.
   *
   * @typeParam Given What the handler gives.
   * @typeParam Input The schema of the input.
   * @typeParam Output The schema of the output.
   * @typeParam Errors The schemas of the details of errors.
   * @typeParam Item The schema of the items.
   * @typeParam Progress The schema of the progress.
   * @param schemas The schemas.
   * @param handler Runs with what the input schema makes of the input.
   * @returns The handler for a server, or for `expose()` in a worker.
   * @throws {TypeError} If a schema does not follow Standard Schema.
   */
  <
    Given extends GivenFor<NoInfer<Output>, NoInfer<Item>>,
    Input extends StandardSchema = StandardSchema<undefined>,
    Output extends StandardSchema = never,
    const Errors extends ErrorSchemas = Record<never, never>,
    Item extends StandardSchema = never,
    Progress extends StandardSchema = never,
  >(
    schemas: ProcedureSchemas<Input, Output, Errors, Item, Progress>,
    handler: (
      input: SchemaOutput<Input>,
      context: ProcedureContext<Errors, Progress> & Known,
    ) => Given | Promise<Given>,
  ): CheckedProcedure<
    SchemaInput<Input>,
    SentBy<Output, Given, Item>,
    ErrorDetails<Errors>,
    ToldBy<Progress>
  >;
  /**
   * Puts a function around the procedures that are made from here on, inside those that are there. What
   * it adds has its type in their handlers' context. Procedures with middleware are asynchronous.
   *
   * @typeParam Added What it adds to the context.
   * @param middleware The function.
   * @returns What makes such procedures.
   * @throws {TypeError} If it is no function.
   *
   * @example A caller who must be known
   * ```ts
   * import { assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
   * import { RpcError } from "@warren/rpc";
   * import { procedure } from "@warren/rpc/schema";
   *
   * const authed = procedure.use(({ ctx, next }) => {
   *   const { user } = ctx.headers;
   *   if (typeof user !== "string") throw new RpcError("UNKNOWN_USER", "Who are you?");
   *   return next({ user });
   * });
   * const whoAmI = authed({}, (_input, { user }) => user.toUpperCase());
   * assertEquals(await whoAmI.call(undefined, { headers: { user: "ann" } }), "ANN");
   * await assertRejects(() => whoAmI.call(), RpcError, "Who are you?");
   * ```
   */
  use<Added>(middleware: Middleware<Known, Added>): ProcedureMaker<Known & Added>;
  /**
   * Gives the procedures that are made from here on some `meta`, beside that of their own.
   *
   * @param meta What interceptors, middleware and observers find.
   * @returns What makes such procedures.
   */
  meta(meta: Readonly<Record<string, unknown>>): ProcedureMaker<Known>;
}

/** Any middleware, whose types have been checked where it was given. */
type AnyMiddleware = Middleware<object, unknown>;

/** What the procedures of a maker have in common. */
interface Common {
  readonly middleware: readonly AnyMiddleware[];
  readonly meta: Readonly<Record<string, unknown>>;
}

/**
 * Makes a handler that checks its input, and if asked its output, against a schema. It serves
 * anywhere that a handler does: in a server and in a worker.
 *
 * - Callers send what the schema accepts; the handler gets what the schema makes of it, so that a
 *   schema can fill in defaults, or turn a `number` into a `bigint`.
 * - The handler does not run if the input does not match.
 * - With schemas and a handler that are synchronous, so is the procedure.
 * - Of a handler that streams, `item` checks each item; so does `output`, which also allows one output.
 *
 * An input that does not match rejects the call with code `invalid-input`, an output with
 * `invalid-output`; both have {@linkcode ValidationDetails} as `details`. They are not retryable.
 *
 * `procedure.use(middleware)` and `procedure.meta({ … })` give what makes procedures that have these in
 * common: see {@linkcode ProcedureMaker}.
 *
 * @example Errors of a procedure's own
 * ```ts
 * import { assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
 * import { z } from "npm:zod@^4.0.0";
 * import { procedure } from "@warren/rpc/schema";
 *
 * const id = z.object({ id: z.string() });
 * const get = procedure({ input: id, errors: { NOT_FOUND: id } }, ({ id }, context) => {
 *   if (id !== "1") throw context.errors.NOT_FOUND({ id });
 *   return { id, name: "Ann" };
 * });
 * assertEquals((await get.call({ id: "1" })).name, "Ann");
 * await assertRejects(() => get.call({ id: "2" }), Error, "NOT_FOUND");
 * ```
 */
export const procedure: ProcedureMaker = makerOf({ middleware: [], meta: {} });

function makerOf<Known>(common: Common): ProcedureMaker<Known> {
  const make = (schemas: ProcedureSchemas, handler: AnyHandler) =>
    makeProcedure(schemas, handler, common);
  const maker = Object.assign(make, {
    use(middleware: AnyMiddleware) {
      if (typeof middleware !== "function") {
        throw new TypeError(
          `Cannot use middleware as it must be a function: it is ${typeof middleware}`,
        );
      }
      return makerOf({ ...common, middleware: [...common.middleware, middleware] });
    },
    meta: (meta: Common["meta"]) => makerOf({ ...common, meta: { ...common.meta, ...meta } }),
  });
  // The types of its calls are those of its schemas, which the compiler cannot follow.
  return maker as unknown as ProcedureMaker<Known>;
}

/** What a handler is, whatever its schemas say. */
type AnyHandler = (input: unknown, context: CallContext) => unknown;

function makeProcedure(
  { meta: own, ...schemas }: ProcedureSchemas,
  handler: AnyHandler,
  common: Common,
): object {
  checkSchemas(schemas);
  const { input, output, item, progress, errors = {} } = schemas;
  const makers = errorMakers(Object.keys(errors));
  const inner = (value: unknown, context: CallContext, added?: object) => {
    const { procedure } = context;
    const told = progress === undefined
      ? added
      : { ...added, ...checkedProgress(progress, context) };
    const given = whenSettled(
      input === undefined ? undefined : check(input, value, { procedure, part: "input" }),
      (valid) => handler(valid, withAdded(context, told, makers)),
    );
    if (item !== undefined) {
      return whenSettled(given, (given: unknown) => checkStream(item, given, procedure));
    }
    if (output === undefined) return given;
    return whenSettled(given, (given: unknown) => checkOutput(output, given, procedure));
  };
  const meta = { ...common.meta, ...own };
  const run = common.middleware.length === 0 ? inner : around(inner, { ...common, meta });
  const known = { ...schemas, ...(Object.keys(meta).length > 0 && { meta }) };
  return Object.assign(noteSchemas({ ...known, handler }, run), {
    schemas: known,
    call: (value?: unknown, context: Partial<CallContext> = {}) =>
      callDirectly(run, value, context),
  });
}

/** Runs a procedure with what middleware has added to its context. */
type InnerRun = (input: unknown, context: CallContext, added: object) => unknown;

/** Puts middleware around a procedure, the first one outermost. */
function around(inner: InnerRun, { middleware, meta }: Common): AnyHandler {
  return async (input, context) => {
    const pass = async (index: number, added: object): Promise<MiddlewareResult> => {
      const outer = middleware[index];
      if (outer === undefined) return { output: await inner(input, context, added) };
      const call = {
        ctx: index === 0 ? context : extend(context, added),
        input,
        meta,
        next: (more?: object) => pass(index + 1, { ...added, ...more }),
      };
      // What is added has no type here.
      const result: unknown = await outer(call as MiddlewareCall<object>);
      if (typeof result === "object" && result !== null && "output" in result) return result;
      throw new TypeError(
        `Cannot complete "${context.procedure}" as a middleware has not given what "next()" gives`,
      );
    };
    return (await pass(0, {})).output;
  };
}

/** Makes an error of a procedure's own, once it is known which one runs. */
type ErrorMaker = (procedure: string, details: unknown, message?: string) => RpcError;

function errorMakers(codes: readonly string[]): ReadonlyMap<string, ErrorMaker> {
  return new Map(codes.map((code): [string, ErrorMaker] => [
    code,
    (procedure, details, message = `Cannot complete "${procedure}": ${code}`) =>
      new RpcError(code, message, { details }),
  ]));
}

function withAdded(
  context: CallContext,
  added: object | undefined,
  makers: ReadonlyMap<string, ErrorMaker>,
): CallContext {
  // Only a procedure with errors can name one.
  if (makers.size === 0) return added === undefined ? context : extend(context, added);
  const errors = Object.fromEntries(
    Array.from(makers, ([code, make]) => [
      code,
      (details: unknown, message?: string) => make(context.procedure, details, message),
    ]),
  );
  return extend(context, { ...added, errors });
}

/** The context has getters, and is one for all requests with a key: it is extended, not copied. */
function extend(context: CallContext, added: object): CallContext {
  const { procedure, correlationId, redeliveries } = context;
  const extended = {
    procedure,
    correlationId,
    redeliveries,
    get headers() {
      return context.headers;
    },
    get deadline() {
      return context.deadline;
    },
    get signal() {
      return context.signal;
    },
    setReplyHeader: (name: string, value: HeaderValue) => context.setReplyHeader(name, value),
    throwIfCancelled: () => context.throwIfCancelled(),
    progress: (value: unknown) => context.progress(value),
  };
  return Object.defineProperties(extended, Object.getOwnPropertyDescriptors(added));
}

/** As a server runs it, but for the encoding: a stream at once, all else as a promise. */
function callDirectly(
  run: (value: unknown, context: CallContext) => unknown,
  value: unknown,
  context: Partial<CallContext>,
): unknown {
  const { signal = new AbortController().signal } = context;
  const whole: CallContext = {
    procedure: "procedure",
    correlationId: undefined,
    deadline: undefined,
    redeliveries: 0,
    signal,
    headers: {},
    setReplyHeader: () => {},
    throwIfCancelled: () => signal.throwIfAborted(),
    progress: () => {},
    ...context,
  };
  try {
    const given = run(value, whole);
    return isStream(given) ? given : readable(Promise.resolve(given));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** What middleware is around is known to be a stream only when it is there: it can be read before. */
function readable(given: Promise<unknown>): Promise<unknown> {
  const items = async function* () {
    const stream = await given;
    if (!isStream(stream)) throw new TypeError("Cannot iterate the output as it is no stream");
    yield* stream;
  }();
  return Object.assign(given, {
    [Symbol.asyncIterator]: () => items,
    next: () => items.next(),
    return: () => items.return(),
    throw: (error: unknown) => items.throw(error),
  });
}

function checkSchemas({ input, output, item, progress, errors }: ProcedureSchemas): void {
  const all = { input, output, item, progress };
  for (const [part, schema] of Object.entries(all)) {
    if (schema !== undefined) checkSchema(part, schema);
  }
  for (const [code, schema] of Object.entries(errors ?? {})) checkSchema(code, schema);
  if (output === undefined || item === undefined) return;
  throw new TypeError(
    'Cannot define a procedure as it has both "output" and "item": leave "output" out if it streams',
  );
}

function checkSchema(part: string, schema: unknown): void {
  // arktype's schemas are functions.
  const mayHaveMembers = typeof schema === "object" || typeof schema === "function";
  if (mayHaveMembers && schema !== null && "~standard" in schema) return;
  throw new TypeError(
    `Cannot define a procedure as its "${part}" is not a Standard Schema: it is ${typeof schema}`,
  );
}
