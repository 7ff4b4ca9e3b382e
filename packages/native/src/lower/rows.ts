/** Fused operations on rows. */
import { type FusedLowering, type Lowering, operandOf, product, resultOf, sizes } from "./lowering.ts";

/** An instruction on rows of the last axis: the operands in order, then the result, all of one shape. */
const lowerRows: Lowering = (node, { writer, place }) => {
  const y = resultOf(node);
  const shape = sizes(y);
  writer.instruction(node.op.name, () => {
    writer.dtype(y.dtype);
    writer.wides([product(shape.slice(0, -1)), shape.at(-1) ?? 1]);
    for (let i = 0; i < node.inputs.length; i++) writer.place(place(operandOf(node, i)));
    writer.place(place(y));
  });
};

const floats: FusedLowering["takes"] = ([x]) => x?.dtype === "float32" || x?.dtype === "float64";

export const rows: { readonly [name: string]: FusedLowering } = {
  softmax: { takes: floats, lower: lowerRows },
  softmaxGrad: { takes: floats, lower: lowerRows },
};
