/** Recurrent layers over whole sequences. */
import { type FusedLowering, type Lowering, sizes } from "./lowering.ts";

/**
 * dtype, batch, time, units, whether there is a state before the first step; the operands, then the results, in order.
 * `sequence` is the operand that is [batch, time, …], `recurrent` the one that is [units, …].
 */
function lowerSequence(sequence: number, recurrent: number, operandsWithoutState: number): Lowering {
  return (node, { writer, place }) => {
    const { inputs, outputs } = node;
    const [x, w] = [inputs[sequence], inputs[recurrent]];
    if (!x || !w) throw new TypeError(`${node.op.name}: an operand is missing.`);
    const [batch = 0, time = 0] = sizes(x);
    const [units = 0] = sizes(w);
    writer.instruction(node.op.name, () => {
      writer.dtype(x.dtype);
      writer.wides([batch, time, units]);
      writer.flag(inputs.length > operandsWithoutState);
      for (const value of [...inputs, ...outputs]) writer.place(place(value));
    });
  };
}

const takes: FusedLowering["takes"] = ([x]) => x?.dtype === "float32" || x?.dtype === "float64";

export const recurrent: { readonly [name: string]: FusedLowering } = {
  lstm: { takes, lower: lowerSequence(0, 1, 2) },
  lstmGrad: { takes, lower: lowerSequence(1, 0, 5) },
  gru: { takes, lower: lowerSequence(0, 1, 3) },
  gruGrad: { takes, lower: lowerSequence(1, 0, 4) },
};
