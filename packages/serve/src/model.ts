import type { LoadedModel } from "nagare";

/** What the server needs of a model: any `LoadedModel`, or an object of your own with these two members. */
export type ServableModel = Pick<LoadedModel, "signatures" | "callAsync">;

/** Named inputs and outputs of one function of a model. */
export type SignatureSpec = ServableModel["signatures"][string];

/** One named input or output: its dtype, and its shape in numbers and in names of sizes that vary, such as "batch". */
export type TensorSpec = SignatureSpec["inputs"][string];

/** The signature a request means when it names none. */
export const defaultSignature = "serving_default";

/** `float32 [batch, 28, 28, 1]`, for messages. */
export function formatSpec(spec: TensorSpec): string {
  return `${spec.dtype} [${spec.shape.join(", ")}]`;
}

/** Whether every tensor of a signature's side has a first axis, so that its rows can be listed. */
export function hasRows(side: SignatureSpec["inputs"]): boolean {
  return Object.values(side).every((spec) => spec.shape.length > 0);
}
