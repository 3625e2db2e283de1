/** Binding patterns of topic exchanges. @module */

/** A compiled pattern. */
export interface TopicPattern {
  /** Tells whether a routing key matches. */
  matches(routingKey: string): boolean;
}

/** Compiles a pattern: words separated by dots, `*` for one word, `#` for any number of words. */
export function compileTopicPattern(pattern: string): TopicPattern {
  const words = pattern.split(".");
  if (words.every((word) => word !== "*" && word !== "#")) {
    return { matches: (routingKey) => routingKey === pattern };
  }
  return { matches: (routingKey) => matchesWords(words, splitWords(routingKey)) };
}

/** The empty routing key has no word; in a pattern it is one empty word. */
function splitWords(routingKey: string): string[] {
  return routingKey === "" ? [] : routingKey.split(".");
}

/** Needs time in proportion to the product of both lengths, whatever a peer has bound. */
function matchesWords(pattern: readonly string[], words: readonly string[]): boolean {
  // reachable[n] tells whether the pattern read so far can have used the first n words.
  let reachable = words.map(() => false);
  reachable.unshift(true);
  for (const part of pattern) {
    if (part === "#") {
      let any = false;
      reachable = reachable.map((here) => any ||= here);
      continue;
    }
    reachable = reachable.map((_, index) => {
      const before = index > 0 && reachable[index - 1] === true;
      return before && (part === "*" || part === words[index - 1]);
    });
  }
  return reachable[words.length] === true;
}
