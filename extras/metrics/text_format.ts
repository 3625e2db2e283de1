/** Prometheus' text format, version 0.0.4. @module */

/** Labels of a time series. */
export type Labels = Readonly<Record<string, string>>;

/** One line of a family: a suffix of its name, labels and a value. */
export interface Sample {
  /** What follows the name of the family, as `_bucket`; empty for most. */
  readonly suffix?: string;
  readonly labels: Labels;
  readonly value: number;
}

/** All time series of one name. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  readonly help: string;
}

/** Writes families; one without samples leaves no trace. */
export function textFormat(
  families: readonly (readonly [family: Family, samples: readonly Sample[]])[],
): string {
  return families.map(([family, samples]) => writeFamily(family, samples)).join("");
}

function writeFamily({ name, type, help }: Family, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = samples.map(({ suffix = "", labels, value }) => {
    return `${name}${suffix}${writeLabels(labels)} ${writeNumber(value)}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function writeLabels(labels: Labels): string {
  const written = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return written.length === 0 ? "" : `{${written.join(",")}}`;
}

/** What would end a value or its line. */
function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** A number, or the bound of a bucket, as Prometheus spells it. */
export function writeNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
