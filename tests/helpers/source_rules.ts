/** Reads sources as syntax trees, to hold them to rules that no lint rule knows. @module */

/** The visitor of one rule. */
export type Visitor = Deno.lint.LintVisitor;

/** A place in a source that breaks a rule. */
export interface Finding {
  readonly path: string;
  readonly message: string;
}

/**
 * Applies a rule to a source.
 *
 * @param rule Makes the visitor; it calls `report` for what it does not like.
 */
export function applyRule(
  path: string,
  text: string,
  rule: (report: (message: string) => void) => Visitor,
): Finding[] {
  const findings: Finding[] = [];
  const report = (message: string) => findings.push({ path, message });
  Deno.lint.runPlugin(
    { name: "tests", rules: { rule: { create: () => rule(report) } } },
    path.split("/").at(-1) ?? path,
    text,
  );
  return findings;
}

/** The lines that a part of a source takes. */
export function linesOf(text: string, [start, end]: Deno.lint.Range): number {
  return text.slice(start, end).split("\n").length;
}

/** A string literal or template as one text, with `…` for what is computed. */
export function literalText(node: Deno.lint.Node | undefined): string | undefined {
  switch (node?.type) {
    case "Literal":
      return typeof node.value === "string" ? node.value : undefined;
    case "TemplateLiteral":
      return node.quasis.map(({ cooked }) => cooked).join("…");
    case "BinaryExpression": {
      if (node.operator !== "+" || node.left.type === "PrivateIdentifier") return undefined;
      const [left, right] = [literalText(node.left), literalText(node.right)];
      return left === undefined && right === undefined
        ? undefined
        : `${left ?? "…"}${right ?? "…"}`;
    }
  }
}
