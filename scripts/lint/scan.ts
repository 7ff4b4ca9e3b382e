/**
 * Reads TypeScript and JavaScript text as far as the lint rules need: where comments and strings are, and what a file
 * imports. TypeScript 7 offers no parser to programs, and these rules need only tokens.
 */

/** One import of a file: `import … from`, `export … from`, `import()`, or `declare module "./x.ts"`. */
export interface Import {
  readonly specifier: string;
  /** `value` survives type stripping and runs at load; `type` and `augmentation` are erased; `dynamic` runs when reached. */
  readonly kind: "value" | "type" | "augmentation" | "dynamic";
  readonly line: number;
}

/** A file's text twice, each character in its place: without comments, and without comments and string contents. */
export interface Scan {
  /** Comments are blanked. */
  readonly text: string;
  /** Comments and the contents of strings, templates and regular expressions are blanked. */
  readonly code: string;
}

/** A slash after one of these starts a regular expression; after an operand it divides. */
const beforeRegex =
  /(?:^|[([{,;=:?!&|^~+\-*%<>}]|\b(?:return|typeof|case|in|of|do|else|void|delete|await|yield))\s*$/;

const blank = (part: string): string => part.replace(/[^\n]/g, " ");

/** Separates code from comments and from the contents of literals. Linear in the text, but for regex detection. */
export function scan(source: string): Scan {
  let text = "";
  let code = "";
  let at = 0;
  // One entry per open `${`: the number of braces open inside it.
  const substitutions: number[] = [];

  const comment = (end: number): void => {
    const part = blank(source.slice(at, end));
    text += part;
    code += part;
    at = end;
  };
  const literal = (end: number, close: number): void => {
    const part = source.slice(at, end);
    text += part;
    code += part[0] + blank(part.slice(1, part.length - close)) + part.slice(part.length - close);
    at = end;
  };
  const template = (): void => {
    // `at` is at the opening backtick or at the brace that ends a substitution.
    let end = at + 1;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) {
      end += source[end] === "\\" ? 2 : 1;
    }
    const opensSubstitution = source.startsWith("${", end);
    if (opensSubstitution) substitutions.push(0);
    literal(Math.min(end + (opensSubstitution ? 2 : 1), source.length), opensSubstitution ? 2 : 1);
  };

  while (at < source.length) {
    const character = source[at];
    const innermost = substitutions.length - 1;
    if (source.startsWith("//", at) || (at === 0 && source.startsWith("#!"))) {
      comment(endOr(source.indexOf("\n", at), source.length));
    } else if (source.startsWith("/*", at)) {
      comment(endOr(source.indexOf("*/", at + 2), source.length - 2) + 2);
    } else if (character === '"' || character === "'") {
      literal(endOfString(source, at), 1);
    } else if (character === "`") {
      template();
    } else if (character === "/" && beforeRegex.test(code.slice(-80))) {
      literal(endOfRegex(source, at), 1);
    } else if (character === "}" && substitutions[innermost] === 0) {
      substitutions.pop();
      template();
    } else {
      if (innermost >= 0 && (character === "{" || character === "}")) {
        substitutions[innermost] = (substitutions[innermost] ?? 0) + (character === "{" ? 1 : -1);
      }
      text += character;
      code += character;
      at += 1;
    }
  }
  return { text, code };
}

function endOr(found: number, otherwise: number): number {
  return found < 0 ? otherwise : found;
}

function endOfString(source: string, start: number): number {
  const quote = source[start];
  let end = start + 1;
  while (end < source.length && source[end] !== quote && source[end] !== "\n")
    end += source[end] === "\\" ? 2 : 1;
  return Math.min(end + 1, source.length);
}

function endOfRegex(source: string, start: number): number {
  let inClass = false;
  let end = start + 1;
  for (; end < source.length && source[end] !== "\n"; end += source[end] === "\\" ? 2 : 1) {
    if (source[end] === "[") inClass = true;
    else if (source[end] === "]") inClass = false;
    else if (source[end] === "/" && !inClass) break;
  }
  return Math.min(end + 1, source.length);
}

export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

const statement = /(?<![\w$.])(?:import|export)\s+(type\s+)?(?:[\w$*\s{},]*?\bfrom\s*)?(["'])/g;
const call = /(?<![\w$.])import\s*\(\s*(["'])/g;
const augmentation = /(?<![\w$.])declare\s+module\s+(["'])/g;
/** `import("./x.ts").Name` in a type position: after a colon, an `as`, a `<`, a `|` … and followed by a member. */
const typePosition =
  /(?:[:<|&,]|\b(?:as|extends|typeof|satisfies|keyof)|\btype\s+[\w$]+(?:<[^=]*>)?\s*=)\s*$/;

/** All imports of a file, in order. */
export function importsOf(source: string): Import[] {
  const { text, code } = scan(source);
  const found: (Import & { readonly at: number })[] = [];
  const add = (at: number, quoteAt: number, kind: Import["kind"]): void => {
    const end = text.indexOf(text[quoteAt] ?? "", quoteAt + 1);
    found.push({ at, specifier: text.slice(quoteAt + 1, end), kind, line: lineOf(text, at) });
  };
  for (const match of code.matchAll(statement)) {
    add(match.index, match.index + match[0].length - 1, match[1] ? "type" : "value");
  }
  for (const match of code.matchAll(augmentation))
    add(match.index, match.index + match[0].length - 1, "augmentation");
  for (const match of code.matchAll(call)) {
    const quoteAt = match.index + match[0].length - 1;
    const afterCall = code.slice(code.indexOf(")", quoteAt) + 1).trimStart();
    const isType =
      /^\.(?!then\b|catch\b|finally\b)/.test(afterCall) && typePosition.test(code.slice(0, match.index));
    add(match.index, quoteAt, isType ? "type" : "dynamic");
  }
  return found.sort((a, b) => a.at - b.at).map(({ at: _, ...entry }) => entry);
}
