/** Finds the functions of a source, what they are called, and which types their signatures name. @module */

import { ts } from "../../deps/typescript.ts";

/** A function of the sources, whatever its form. */
export interface SourceFunction {
  readonly file: string;
  /** Such as `Caller.#publish`, `Caller.#publish λ` for a closure in it, or `new Caller`. */
  readonly name: string;
  /** What the annotations of its parameters and of its result name, and what a constructor makes. */
  readonly types: readonly string[];
}

/** A node that is a function with a body. */
export type FunctionNode = ts.FunctionLikeDeclaration & { readonly body: ts.ConciseBody };

/** Reads a source. */
export function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
}

/** Tells whether a node is a function with a body. */
export function isFunction(node: ts.Node): node is FunctionNode {
  return ts.isFunctionLike(node) && "body" in node && node.body !== undefined;
}

/** Describes a function. */
export function describe(file: string, node: FunctionNode): SourceFunction {
  const types = new Set<string>();
  for (const parameter of node.parameters) addTypes(parameter.type, types);
  addTypes(node.type, types);
  if (ts.isConstructorDeclaration(node)) types.add(ownerOf(node));
  return { file, name: nameOf(node), types: [...types] };
}

/** A type of the sources. */
export interface SourceType {
  readonly name: string;
  /** The types that it extends or implements: an object of this type is one of those, too. */
  readonly bases: readonly string[];
  /** Whether it only picks members of other types, and so is a view of their objects. */
  readonly isView: boolean;
}

/** Lists the types that a source declares. */
export function declaredTypes(source: ts.SourceFile): SourceType[] {
  return source.statements.flatMap((statement): SourceType[] => {
    if (ts.isTypeAliasDeclaration(statement)) {
      return [{ name: statement.name.text, bases: [], isView: isView(statement.type) }];
    }
    const isType = ts.isInterfaceDeclaration(statement) || ts.isClassDeclaration(statement);
    if (!isType || statement.name === undefined) return [];
    const clauses = statement.heritageClauses ?? [];
    const bases = clauses.flatMap(({ types }) =>
      types.map(({ expression }) => expression.getText())
    );
    return [{ name: statement.name.text, bases, isView: false }];
  });
}

const PICKING_REGEXP = /^(Pick|Omit|Partial|Required|Readonly|Extract|Exclude)$/;

function isView(node: ts.TypeNode): boolean {
  if (ts.isIntersectionTypeNode(node)) return node.types.every(isView);
  if (ts.isTypeReferenceNode(node)) return PICKING_REGEXP.test(node.typeName.getText());
  return ts.isTypeLiteralNode(node) && node.members.every((member) => {
    return ts.isPropertySignature(member) && member.type !== undefined && isView(member.type);
  });
}

function addTypes(node: ts.Node | undefined, types: Set<string>): void {
  if (node === undefined) return;
  // What a callback takes is seen where the callback is.
  if (ts.isFunctionTypeNode(node)) return;
  if (ts.isTypeReferenceNode(node)) types.add(node.typeName.getText());
  node.forEachChild((child) => addTypes(child, types));
}

function nameOf(node: FunctionNode): string {
  const owner = ownerOf(node);
  if (ts.isConstructorDeclaration(node)) return `new ${owner}`;
  const own = node.name?.getText() ?? holderName(node);
  const isMember = ts.isClassElement(node) || ts.isPropertyDeclaration(node.parent);
  if (own === undefined) return `${owner} λ`;
  return owner === "" ? own : `${owner}${isMember ? "." : " "}${own}`;
}

/** The name of the variable or property that holds a function expression. */
function holderName({ parent }: FunctionNode): string | undefined {
  const isHolder = ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent) ||
    ts.isPropertyDeclaration(parent);
  return isHolder ? parent.name.getText() : undefined;
}

/** The function or class around a node. */
function ownerOf(node: ts.Node): string {
  const { parent } = node;
  if (parent === undefined) return "";
  if (ts.isClassLike(parent)) return parent.name?.text ?? "class";
  return isFunction(parent) ? nameOf(parent) : ownerOf(parent);
}
