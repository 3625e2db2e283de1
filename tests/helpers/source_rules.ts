/** Reads sources as syntax trees, to hold them to rules that no lint rule knows. @module */

import { textOf } from "./source_files.ts";

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

/** Applies a rule to sources, by their paths. */
export function findings(
  paths: readonly string[],
  rule: (text: string, report: (message: string) => void) => Visitor,
): Finding[] {
  return paths.flatMap((path) => {
    const text = textOf(path);
    return applyRule(path, text, (report) => rule(text, report));
  });
}

/** A function in whatever form. */
export type FunctionNode =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

/** Visits all functions, each with its name or that of the method or variable that it is. */
export function functionVisitor(visit: (node: FunctionNode, name: string) => void): Visitor {
  const enter = (node: FunctionNode) => {
    const own = node.type === "ArrowFunctionExpression" ? undefined : node.id?.name;
    visit(node, own ?? holderName(node.parent));
  };
  return { FunctionDeclaration: enter, FunctionExpression: enter, ArrowFunctionExpression: enter };
}

function holderName(holder: Deno.lint.Node): string {
  switch (holder.type) {
    case "MethodDefinition":
    case "PropertyDefinition":
    case "Property":
      return "name" in holder.key ? holder.key.name : "function";
    case "VariableDeclarator":
      return "name" in holder.id ? holder.id.name : "function";
    default:
      return "function";
  }
}

/** The names of what a source declares and exports. */
export function exportedNames(path: string, text: string): string[] {
  const found = applyRule(path, text, (report) => ({
    ExportNamedDeclaration({ declaration }) {
      if (declaration === null) return;
      if (declaration.type === "VariableDeclaration") {
        for (const { id } of declaration.declarations) if ("name" in id) report(id.name);
      } else if ("id" in declaration && declaration.id !== null && "name" in declaration.id) {
        report(declaration.id.name);
      }
    },
  }));
  return found.map(({ message }) => message);
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
    default:
      return undefined;
  }
}
