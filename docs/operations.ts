/** The page of all operations, derived from their records; what each does is the first sentence of its documentation. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dtypes, isFloat, type Primitive, primitives } from "nagare/backend";

const folder = join(import.meta.dirname, "../packages/nagare/src/ops");

/** The documentation of each exported record: the comment that stands right before it. */
function summaries(): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".ts"))) {
    const text = readFileSync(join(folder, file), "utf8");
    for (const [, comment = "", name = ""] of text.matchAll(
      /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport const (\w+)/g,
    )) {
      const plain = comment
        .split("\n")
        .map((line) => line.replace(/^\s*\*?\s*/, "").trim())
        .join(" ")
        .trim();
      found.set(name, /^.*?[.;:](?=\s|$)/.exec(plain)?.[0].replace(/[;:]$/, ".") ?? plain);
    }
  }
  return found;
}

function kindOf(op: Primitive): string {
  if (op.decompose) return op.vjp ? "fused, own reverse rule" : "fused";
  return op.scalar ? "elementwise" : "structural";
}

function linearityOf({ linear }: Primitive): string {
  if (!linear) return "";
  if (linear.operands !== "all" && linear.operands.length === 1) return `operand ${linear.operands[0]}`;
  const operands = linear.operands === "all" ? "all operands" : `operands ${linear.operands.join(", ")}`;
  return linear.kind === "each" ? `each of ${operands}` : `${operands} together`;
}

function dtypesOf(op: Primitive): string {
  const is = (list: readonly string[]) =>
    list.length === op.dtypes.length && list.every((dtype) => op.dtypes.some((own) => own === dtype));
  if (is(dtypes)) return "all";
  if (is(dtypes.filter((dtype) => dtype !== "bool"))) return "numbers";
  if (is(dtypes.filter((dtype) => isFloat(dtype)))) return "floats";
  return op.dtypes.join(", ");
}

const escaped = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

/** The page as Markdown. */
export function operationsPage(): string {
  const about = summaries();
  const rows = primitives()
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((op) =>
      [`\`${op.name}\``, about.get(op.name) ?? "", kindOf(op), dtypesOf(op), linearityOf(op)]
        .map(escaped)
        .join(" | "),
    );
  return [
    "# Operations",
    "",
    "<!-- Written by `npm run docs` from the records in packages/nagare/src/ops. -->",
    "",
    "Everything that Nagare computes is composed of these. Elementwise operations fuse; fused operations are composites that may have",
    "a kernel of their own; linear operations are what reverse mode transposes.",
    "",
    "| operation | what it does | kind | dtypes | linear in |",
    "|---|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
    "",
  ].join("\n");
}
