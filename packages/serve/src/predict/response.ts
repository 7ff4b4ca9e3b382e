import type { DType, Tensor } from "nagare";
import { RequestError } from "../errors.ts";
import type { NonFinite } from "../json/index.ts";
import { formatFloat32, formatFloat64 } from "../json/index.ts";
import type { RequestForm } from "./request.ts";

/** The elements of an output, in the order of its rows. */
interface Output {
  readonly shape: readonly number[];
  /** The text of element i. */
  readonly text: (index: number) => string;
}

type Elements = Awaited<ReturnType<Tensor["data"]>>;

/**
 * The body of the answer: `predictions` for requests in rows, `outputs` for columns. A single output goes without its
 * name, several with theirs, as TensorFlow Serving does it.
 */
export async function writeResponse(
  outputs: Readonly<Record<string, Tensor>>,
  form: RequestForm,
  nonFinite: NonFinite,
): Promise<string> {
  const entries = await Promise.all(
    Object.entries(outputs).map(
      async ([name, output]) => [name, await readOutput(output, nonFinite)] as const,
    ),
  );
  return form === "row" ? `{"predictions":${writeRows(entries)}}` : `{"outputs":${writeColumns(entries)}}`;
}

async function readOutput(output: Tensor, nonFinite: NonFinite): Promise<Output> {
  const elements = await output.data();
  return { shape: output.shape as readonly number[], text: elementText(output.dtype, elements, nonFinite) };
}

function elementText(dtype: DType, elements: Elements, nonFinite: NonFinite): Output["text"] {
  switch (dtype) {
    case "float64":
      return (index) => formatFloat64(Number(elements[index]), nonFinite);
    case "float32":
    case "float16":
    case "bfloat16":
      return (index) => formatFloat32(Number(elements[index]), nonFinite);
    case "bool":
      return (index) => (elements[index] ? "true" : "false");
    default:
      // A bigint prints all its digits; JSON does not limit them.
      return (index) => String(elements[index]);
  }
}

/** Nested lists of the elements from `start` on, in the shape from `axis` on. */
function writeNested(output: Output, axis: number, start: number): string {
  const size = output.shape[axis];
  if (size === undefined) return output.text(start);
  let stride = 1;
  for (const inner of output.shape.slice(axis + 1)) stride *= inner;
  let text = "[";
  for (let i = 0; i < size; i++) {
    if (i > 0) text += ",";
    text += writeNested(output, axis + 1, start + i * stride);
  }
  return `${text}]`;
}

function writeColumns(entries: readonly (readonly [string, Output])[]): string {
  const [only] = entries;
  if (only && entries.length === 1) return writeNested(only[1], 0, 0);
  return `{${entries.map(([name, output]) => `${JSON.stringify(name)}:${writeNested(output, 0, 0)}`).join(",")}}`;
}

function writeRows(entries: readonly (readonly [string, Output])[]): string {
  const [first] = entries;
  const rows = first?.[1].shape[0];
  for (const [name, output] of entries) {
    if (output.shape.length > 0 && output.shape[0] === rows) continue;
    throw new RequestError(
      400,
      `predictions: expected outputs with the same first axis; received "${name}" of shape [${output.shape.join(", ")}]` +
        `${first && name !== first[0] ? ` beside "${first[0]}" of shape [${first[1].shape.join(", ")}]` : ""}. ` +
        'Send the request as {"inputs": {name: tensor, …}}, whose answer lists whole outputs.',
    );
  }
  if (first && entries.length === 1) return writeNested(first[1], 0, 0);
  const texts = Array.from({ length: rows ?? 0 }, (_, row) => {
    const members = entries.map(([name, output]) => {
      const stride = output.shape.slice(1).reduce((product, size) => product * size, 1);
      return `${JSON.stringify(name)}:${writeNested(output, 1, row * stride)}`;
    });
    return `{${members.join(",")}}`;
  });
  return `[${texts.join(",")}]`;
}
