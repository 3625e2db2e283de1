/** Writes into each function of a source that it tells the recorder when it is entered. @module */

import { ts } from "../../deps/typescript.ts";
import {
  describe,
  type FunctionNode,
  isFunction,
  parse,
  type SourceFunction,
} from "./functions.ts";

/** A source with its calls of the recorder. */
export interface Instrumented {
  readonly text: string;
  readonly functions: readonly SourceFunction[];
}

/** Where to write what. */
interface Insertion {
  readonly at: number;
  readonly text: string;
}

/**
 * Instruments a source.
 *
 * @param file Its path, for the names of its functions.
 * @param text Its text.
 * @param options The module of the recorder, and the number of the source's first function.
 */
export function instrument(
  file: string,
  text: string,
  { recorder, firstId }: { readonly recorder: string; readonly firstId: number },
): Instrumented {
  const functions: SourceFunction[] = [];
  const openings: Insertion[] = [];
  const closings: Insertion[] = [];
  const visit = (node: ts.Node) => {
    if (!isFunction(node)) return void node.forEachChild(visit);
    const [opening, closing] = wrapping(node, firstId + functions.length);
    const isEmpty = opening.at === closing.at;
    functions.push(describe(file, node));
    openings.push(isEmpty ? { at: opening.at, text: opening.text + closing.text } : opening);
    node.forEachChild(visit);
    // Of two that end at the same place, the inner one ends first.
    if (!isEmpty) closings.push(closing);
  };
  visit(parse(file, text));
  const head = `import * as __trip from ${JSON.stringify(recorder)};`;
  return { text: head + insert(text, [...closings, ...openings]), functions };
}

function wrapping(node: FunctionNode, id: number): [Insertion, Insertion] {
  const { body } = node;
  const isAsync = ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Async ? "async " : "";
  if (!ts.isBlock(body)) {
    return [
      { at: body.getStart(), text: `__trip.run(${id}, ${isAsync}() => (` },
      { at: body.getEnd(), text: "))" },
    ];
  }
  const [at, end] = [body.getStart() + 1, body.getEnd() - 1];
  if ("asteriskToken" in node && node.asteriskToken !== undefined) {
    return [{ at, text: `__trip.note(${id});` }, { at: end, text: "" }];
  }
  if (isAsync !== "") {
    return [{ at, text: `return __trip.run(${id}, async () => {` }, { at: end, text: "});" }];
  }
  return [
    { at, text: `const __caller = __trip.enter(${id}); try {` },
    { at: end, text: "} finally { __trip.leave(__caller); }" },
  ];
}

function insert(text: string, insertions: readonly Insertion[]): string {
  let result = "";
  let from = 0;
  // The sort is stable.
  for (const { at, text: inserted } of insertions.toSorted((a, b) => a.at - b.at)) {
    result += text.slice(from, at) + inserted;
    from = at;
  }
  return result + text.slice(from);
}
