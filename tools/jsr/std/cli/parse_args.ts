/**
 * Command-line arguments as a record.
 *
 * @module
 */

/** Alias names by the name that they stand for. */
type Aliases = Readonly<Record<string, string | readonly string[]>>;

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions<
  TBooleans extends string,
  TStrings extends string,
  TDefaults extends Record<string, unknown>,
  TAliases extends Aliases,
  TNegatable extends string,
  TDoubleDash extends boolean,
> {
  /**
   * Whether what follows `--` goes to the result's `"--"` rather than to `_`.
   *
   * @default {false}
   */
  "--"?: TDoubleDash;
  /** Further names of an option. */
  alias?: TAliases;
  /** Names of options that are `true` or `false`; `false` when absent. */
  boolean?: TBooleans | readonly TBooleans[];
  /** Values of options that are absent. */
  default?: TDefaults;
  /** Names of options whose value is never read as a number. */
  string?: TStrings | readonly TStrings[];
  /** Names of options that `--no-<name>` sets to `false`. */
  negatable?: TNegatable | readonly TNegatable[];
}

type Known<TBooleans extends string, TStrings extends string, TNegatable extends string> =
  & { [Name in TBooleans]: boolean }
  & { [Name in TStrings]?: Name extends TNegatable ? string | false : string };

type WithDefaults<TKnown, TDefaults> =
  & Omit<TKnown, keyof TDefaults>
  & {
    [Name in keyof TDefaults]: Name extends keyof TKnown
      ? NonNullable<TKnown[Name]> | TDefaults[Name]
      : unknown;
  };

type NamesOf<TName, TAliases> = TName extends keyof TAliases
  ? TAliases[TName] extends readonly string[] ? TName | TAliases[TName][number]
  : TAliases[TName] extends string ? TName | TAliases[TName]
  : TName
  : TName;

type WithAliases<TValues, TAliases> = {
  [Name in keyof TValues as Extract<NamesOf<Name, TAliases>, PropertyKey>]: TValues[Name];
};

/** What {@linkcode parseArgs} returns: options by name, and the other arguments in `_`. */
export type Args<
  TBooleans extends string = never,
  TStrings extends string = never,
  TDefaults extends Record<string, unknown> = Record<never, never>,
  TAliases extends Aliases = Record<never, never>,
  TNegatable extends string = never,
  TDoubleDash extends boolean = false,
> =
  & Record<string, unknown>
  & WithAliases<WithDefaults<Known<TBooleans, TStrings, TNegatable>, TDefaults>, TAliases>
  & { _: Array<string | number> }
  & (TDoubleDash extends true ? { "--": string[] } : Record<never, never>);

/**
 * Reads command-line arguments.
 *
 * @param args The arguments, mostly `Deno.args`.
 * @param options What is known about the options.
 * @returns Options by name; arguments that belong to no option are in `_`.
 */
export function parseArgs<
  const TBooleans extends string = never,
  const TStrings extends string = never,
  TDefaults extends Record<string, unknown> = Record<never, never>,
  const TAliases extends Aliases = Record<never, never>,
  const TNegatable extends string = never,
  TDoubleDash extends boolean = false,
>(
  args: string[],
  options?: ParseOptions<TBooleans, TStrings, TDefaults, TAliases, TNegatable, TDoubleDash>,
): Args<TBooleans, TStrings, TDefaults, TAliases, TNegatable, TDoubleDash>;
export function parseArgs(args: string[], options: AnyOptions = {}): Values {
  const end = args.indexOf("--");
  const after = end === -1 ? [] : args.slice(end + 1);
  const reader = new ArgumentReader(options);
  const values = reader.read(end === -1 ? args : args.slice(0, end));
  if (options["--"]) values["--"] = after;
  else values._.push(...after);
  return values;
}

interface Values extends Record<string, unknown> {
  _: Array<string | number>;
}

interface AnyOptions {
  readonly "--"?: boolean;
  readonly alias?: Aliases;
  readonly boolean?: string | readonly string[];
  readonly default?: Readonly<Record<string, unknown>>;
  readonly string?: string | readonly string[];
  readonly negatable?: string | readonly string[];
}

const NUMBER_REGEXP = /^(?:0x[0-9a-f]+|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)$/i;

class ArgumentReader {
  readonly #names: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #booleans: ReadonlySet<string>;
  readonly #strings: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  readonly #defaults: Readonly<Record<string, unknown>>;
  readonly #values: Values = { _: [] };

  constructor(options: AnyOptions) {
    this.#names = namesByName(options.alias ?? {});
    this.#booleans = this.#withAliases(options.boolean);
    this.#strings = this.#withAliases(options.string);
    this.#negatable = this.#withAliases(options.negatable);
    this.#defaults = options.default ?? {};
  }

  read(args: readonly string[]): Values {
    for (let index = 0; index < args.length; index++) {
      if (this.#readOne(args[index] ?? "", args[index + 1])) index++;
    }
    for (const [name, value] of Object.entries(this.#defaults)) this.#setIfAbsent(name, value);
    for (const name of this.#booleans) this.#setIfAbsent(name, false);
    return this.#values;
  }

  /** Reads one argument; `true` if it has used the next one as its value. */
  #readOne(arg: string, next: string | undefined): boolean {
    if (arg.startsWith("--")) return this.#readLong(arg.slice(2), next);
    if (arg.startsWith("-") && arg.length > 1) return this.#readShort(arg.slice(1), next);
    this.#values._.push(this.#strings.has("_") ? arg : numberOrText(arg));
    return false;
  }

  #readLong(text: string, next: string | undefined): boolean {
    const equals = text.indexOf("=");
    if (equals > 0 && equals < text.length - 1) {
      this.#setText(text.slice(0, equals), text.slice(equals + 1));
      return false;
    }
    const name = equals > 0 ? text.slice(0, equals) : text;
    const negated = name.startsWith("no-") ? name.slice(3) : undefined;
    if (negated !== undefined && this.#negatable.has(negated)) {
      this.#set(negated, false);
      return false;
    }
    return this.#setFromNext(name, next);
  }

  #readShort(letters: string, next: string | undefined): boolean {
    for (let index = 0; index < letters.length - 1; index++) {
      const letter = letters.charAt(index);
      const rest = letters.slice(index + 1);
      if (/^[=\W]/.test(rest) || /^-?\d/.test(rest)) {
        this.#setText(letter, rest.startsWith("=") ? rest.slice(1) : rest);
        return false;
      }
      this.#set(letter, this.#strings.has(letter) ? "" : true);
    }
    return this.#setFromNext(letters.slice(-1), next);
  }

  #setFromNext(name: string, next: string | undefined): boolean {
    const takesNext = next !== undefined && next !== "" &&
      (this.#booleans.has(name) ? /^(?:true|false)$/.test(next) : !next.startsWith("-"));
    if (takesNext) this.#setText(name, next);
    else this.#set(name, this.#strings.has(name) ? "" : true);
    return takesNext;
  }

  #setText(name: string, text: string): void {
    if (this.#booleans.has(name)) this.#set(name, text !== "false");
    else this.#set(name, this.#strings.has(name) ? text : numberOrText(text));
  }

  #set(name: string, value: unknown): void {
    for (const each of this.#namesOf(name)) this.#values[each] = value;
  }

  #setIfAbsent(name: string, value: unknown): void {
    if (!Object.hasOwn(this.#values, name)) this.#set(name, value);
  }

  #namesOf(name: string): ReadonlySet<string> {
    return this.#names.get(name) ?? new Set([name]);
  }

  #withAliases(names: string | readonly string[] | undefined): ReadonlySet<string> {
    const list = typeof names === "string" ? [names] : names ?? [];
    return new Set(list.flatMap((name) => [...this.#namesOf(name)]));
  }
}

function namesByName(aliases: Aliases): Map<string, ReadonlySet<string>> {
  const names = new Map<string, ReadonlySet<string>>();
  for (const [name, others] of Object.entries(aliases)) {
    const all = new Set([name, ...(typeof others === "string" ? [others] : others)]);
    for (const each of all) names.set(each, all);
  }
  return names;
}

function numberOrText(text: string): string | number {
  return NUMBER_REGEXP.test(text) ? Number(text) : text;
}
