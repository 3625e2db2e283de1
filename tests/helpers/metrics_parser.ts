/** A strict reader of Prometheus' text format, version 0.0.4. @module */

/** One line that has a value. */
export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All lines that stand under one `# TYPE`. */
export interface ParsedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ParsedSample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\[\\\\"n])*)"';
const VALUE = "[+-]?(?:\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?|Inf)|NaN";
const SAMPLE_REGEXP = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (${VALUE})$`);
const SUFFIXES: Readonly<Record<string, RegExp>> = {
  counter: /^_total$/,
  gauge: /^$/,
  histogram: /^_(bucket|sum|count)$/,
  summary: /^(_sum|_count)?$/,
};

/**
 * Reads a text and fails at whatever Prometheus or its `promtool check metrics` would not have: a
 * family in two places, a sample under another's head, a series twice, buckets that go down.
 */
export function parseMetrics(text: string): ParsedFamily[] {
  if (text === "") return [];
  if (!text.endsWith("\n")) throw new Error("The last line has no end");
  const families: (ParsedFamily & { readonly samples: ParsedSample[] })[] = [];
  let help: readonly [name: string, text: string] | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, word, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (word === "HELP") {
      help = [name, rest];
    } else if (word === "TYPE") {
      if (help?.[0] !== name) throw new Error(`No help before ${line}`);
      if (families.some((family) => family.name === name)) throw new Error(`Twice: ${name}`);
      families.push({ name, help: help[1], type: rest, samples: [] });
    } else {
      families.at(-1)?.samples.push(parseSample(line));
    }
  }
  for (const family of families) checkFamily(family);
  return families;
}

function parseSample(line: string): ParsedSample {
  const match = SAMPLE_REGEXP.exec(line);
  if (match === null) throw new Error(`No sample: ${line}`);
  const [, name = "", inner = ""] = match;
  const labels = [...inner.matchAll(new RegExp(LABEL, "g"))].map(([, label = "", value = ""]) => {
    return [label, value.replace(/\\(.)/g, (_, escaped) => escaped === "n" ? "\n" : escaped)];
  });
  const value = Number(match.at(-1)?.replace("Inf", "Infinity"));
  if (new Set(labels.map(([label]) => label)).size !== labels.length) {
    throw new Error(`A label twice: ${line}`);
  }
  return { name, labels: Object.fromEntries(labels), value };
}

function checkFamily({ name, type, samples }: ParsedFamily): void {
  const pattern = SUFFIXES[type];
  if (pattern === undefined) throw new Error(`No such type: ${type}`);
  if (samples.length === 0) throw new Error(`Nothing under ${name}`);
  const keys = samples.map(({ name, labels }) => JSON.stringify([name, labels]));
  if (new Set(keys).size !== keys.length) throw new Error(`A series twice in ${name}`);
  for (const sample of samples) {
    const base = type === "counter" ? name.replace(/_total$/, "") : name;
    const suffix = sample.name.slice(base.length);
    if (!sample.name.startsWith(base) || !pattern.test(suffix)) {
      throw new Error(`${sample.name} under ${name}, a ${type}`);
    }
  }
  if (type === "histogram") checkHistogram(name, samples);
}

/** Buckets go up, end with `+Inf`, and that one is the count. */
function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  const series = Map.groupBy(samples, ({ labels: { le: _, ...rest } }) => JSON.stringify(rest));
  for (const [key, lines] of series) {
    const buckets = lines.filter((line) => line.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels.le?.replace("Inf", "Infinity")));
    const isRising = (values: readonly number[], step: number) =>
      values.every((value, index) => index === 0 || value - (values[index - 1] ?? 0) >= step);
    const total = lines.find((line) => line.name === `${name}_count`)?.value;
    const isWhole = bounds.at(-1) === Infinity && buckets.at(-1)?.value === total &&
      lines.some((line) => line.name === `${name}_sum`);
    if (!isWhole || !isRising(bounds, Number.MIN_VALUE)) throw new Error(`Odd buckets: ${key}`);
    if (!isRising(buckets.map(({ value }) => value), 0)) throw new Error(`Falling: ${key}`);
  }
}
