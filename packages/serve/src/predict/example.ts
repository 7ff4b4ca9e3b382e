import type { ServableModel, TensorSpec } from "../model.ts";
import { defaultSignature, hasRows } from "../model.ts";

/** Above this many elements the example is a program that prints the request. */
const longestInline = 32;

/**
 * A shell command that sends a request of zeros (false for bool) to `url`, the address of a model, and works as it is
 * printed. Small requests stand in the command; large ones are made by a one-line `node` program piped into curl.
 */
export function curlExample(url: string, model: ServableModel, signature = defaultSignature): string {
  const inputs = Object.entries(model.signatures[signature]?.inputs ?? {});
  const [only] = inputs;
  const byRow = hasRows(model.signatures[signature]?.inputs ?? {});
  const elements = inputs.reduce((sum, [, spec]) => sum + sizes(spec).reduce((a, b) => a * b, 1), 0);
  const repeat = elements > longestInline ? repeatInProgram : repeatInJson;
  const fill = (spec: TensorSpec, axis: number): string =>
    sizes(spec)
      .slice(axis)
      .reduceRight((inner, size) => repeat(inner, size), spec.dtype === "bool" ? "false" : "0");
  const members = inputs.map(([name, spec]) => `${JSON.stringify(name)}: ${fill(spec, byRow ? 1 : 0)}`);
  const row = only && inputs.length === 1 ? fill(only[1], 1) : `{${members.join(", ")}}`;
  const rows = only ? (sizes(only[1])[0] ?? 1) : 1;
  const named = signature === defaultSignature ? "" : `"signature_name": ${JSON.stringify(signature)}, `;
  const values = byRow ? `"instances": ${repeat(row, rows)}` : `"inputs": {${members.join(", ")}}`;
  const request = `{${named}${values}}`;
  return elements > longestInline
    ? `node -p ${quote(`JSON.stringify(${request})`)} | curl -d @- ${url}:predict`
    : `curl -d ${quote(request)} ${url}:predict`;
}

/** The shape with 1 for every size that varies. */
function sizes(spec: TensorSpec): number[] {
  return spec.shape.map((d) => (typeof d === "number" ? d : 1));
}

function repeatInJson(value: string, times: number): string {
  return `[${new Array(times).fill(value).join(", ")}]`;
}

function repeatInProgram(value: string, times: number): string {
  return times === 1 ? `[${value}]` : `Array(${times}).fill(${value})`;
}

/** One word for a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
