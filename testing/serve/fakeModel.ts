/** Models that are plain JavaScript: the server's tests need known answers, not arithmetic. */
import type { ServableModel, SignatureSpec } from "@nagare/serve";
import type { DType, Tensor } from "nagare";
import * as ng from "nagare";

type Call = (inputs: Record<string, Tensor>) => Record<string, Tensor> | Promise<Record<string, Tensor>>;

export function fakeModel(
  signatures: Record<string, SignatureSpec>,
  call: (signature: string) => Call,
): ServableModel {
  return {
    signatures,
    callAsync: async (inputs, signature = "serving_default") => call(signature)(inputs),
  };
}

/** y = x, for one dtype and shape. */
export function echoModel(dtype: DType, shape: readonly (number | string)[]): ServableModel {
  const spec = { dtype, shape: [...shape] };
  return fakeModel({ serving_default: { inputs: { x: spec }, outputs: { y: spec } } }, () => ({ x }) => ({
    y: x ?? ng.tensor(0),
  }));
}

/**
 * Two inputs, a [batch, 2] float32 and b [batch] int32; outputs sum [batch], their total per row, and echo = a.
 * The signature "columns" has the outputs total [] and echo. The signature "nan" answers NaN, ∞, −∞ and −0.
 */
export function pairModel(): ServableModel {
  const a = { dtype: "float32" as const, shape: ["batch", 2] };
  const b = { dtype: "int32" as const, shape: ["batch"] };
  const sum = { dtype: "float32" as const, shape: ["batch"] };
  const signatures = {
    serving_default: { inputs: { a, b }, outputs: { sum, echo: a } },
    columns: { inputs: { a, b }, outputs: { total: { dtype: "float32" as const, shape: [] }, echo: a } },
    nan: { inputs: { a }, outputs: { y: { dtype: "float32" as const, shape: [4] } } },
    scalar: {
      inputs: { s: { dtype: "float64" as const, shape: [] } },
      outputs: { s: { dtype: "float64" as const, shape: [] } },
    },
  };
  return fakeModel(signatures, (signature) => (inputs): Record<string, Tensor> => {
    if (signature === "scalar") return { s: inputs.s ?? ng.tensor(0) };
    if (signature === "nan") {
      return {
        y: ng.tensor(new Float32Array([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0])),
      };
    }
    const echo = inputs.a ?? ng.tensor([[0, 0]]);
    const pairs = echo.toArray() as number[][];
    const sums = pairs.map(([x = 0, y = 0], row) => x + y + Number(inputs.b?.dataSync()[row]));
    if (signature === "columns") return { total: ng.tensor(sums.reduce((x, y) => x + y, 0)), echo };
    return { sum: ng.tensor(sums), echo };
  });
}
