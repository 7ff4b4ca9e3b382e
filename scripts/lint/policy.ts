/** The rules about what a file may contain, beside its imports. */
import type { Problem, Sources } from "./imports.ts";
import { lineOf, scan } from "./scan.ts";

interface Rule {
  /** The files it applies to. */
  readonly files: RegExp;
  /** What it looks at: the whole file, the file without comments, or without comments and string contents. */
  readonly within: "source" | "text" | "code";
  readonly pattern: RegExp;
  readonly message: string;
}

const script = /\.(?:ts|mts|js|mjs|cjs)$/;
const program = /\.(?:ts|mts|js|mjs|cjs|cpp|h|py|sh)$|^\.ci\/run$/;
const everything = /./;

const rules: readonly Rule[] = [
  {
    files: program,
    within: "source",
    // The first letter in brackets keeps this file from finding itself.
    pattern: /\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b/g,
    message: "a file says what is, and open work is an issue",
  },
  {
    files: script,
    within: "code",
    pattern: /\bas any\b|:\s*any\b|<any\b|\bany\[\]|,\s*any>/g,
    message: "nothing has the type any. Use unknown and narrow it, or a type parameter",
  },
  {
    files: script,
    within: "source",
    pattern: /@ts-(?:ignore|nocheck)\b/g,
    message: "the type checker is not silenced. Mend the type, or use @ts-expect-error with the reason",
  },
  {
    files: script,
    within: "source",
    pattern: /@ts-expect-error\s*(?:$|\*\/)/gm,
    message: "an expected type error states its reason on the same line",
  },
  {
    files: /\.test\.ts$|^testing\//,
    within: "text",
    pattern:
      /\b(?:test|it|describe|suite)\.(?:skip|todo|only)\s*\(|\.(?:skip|todo)\(\s*\)|\b(?:skip|todo):\s*true\b|\bonly:\s*true\b/g,
    message: 'every test runs; one that cannot run here says why: { skip: "reason" } or t.skip("reason")',
  },
  {
    files: everything,
    within: "source",
    pattern: /(?<![\w.~$}])\/(?:root|work|home\/\w+|Users\/\w+|tmp\/\w+)(?:\/|\b)(?!\w*:)/g,
    message: "a path of one machine is of no use on another. Use a relative path, os.tmpdir() or an option",
  },
];

const vague = /(?:^|\/)(?:utils?|helpers?|common|misc|stuff)(?:\.[^/]*|\/.*)$/;

/** Checks the contents and names of the repository's own text files. */
export function checkPolicy(sources: Sources): Problem[] {
  const problems: Problem[] = [];
  for (const [file, source] of sources) {
    if (vague.test(file)) {
      problems.push({
        file,
        line: 1,
        message: "a file is named after the one thing it defines; received a name that fits any",
      });
    }
    const views = script.test(file) ? { source, ...scan(source) } : { source, text: source, code: source };
    for (const rule of rules) {
      if (!rule.files.test(file)) continue;
      for (const match of views[rule.within].matchAll(rule.pattern)) {
        problems.push({
          file,
          line: lineOf(source, match.index),
          message: `${rule.message}; received "${match[0].trim()}".`,
        });
      }
    }
  }
  return problems;
}
