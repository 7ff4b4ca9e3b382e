/** Recurrent layers beyond the generated samples: blocks of units, cut vectors, rows shared between tasks. */
import { type DType, primitiveByName } from "nagare/backend";
import "nagare";
import { type EngineCase, labeled } from "./shapeCases.ts";
import { randomTensor, seeded } from "./tensors.ts";

const sizes: readonly (readonly [batch: number, time: number, units: number, dtype: DType])[] = [
  [3, 4, 37, "float32"],
  [70, 2, 40, "float32"],
  [20, 3, 150, "float32"],
  [1, 5, 65, "float32"],
  [9, 3, 33, "float64"],
];

/** Both layers and their gradients, with and without a state before the first step. */
export function largeSequences(): EngineCase[] {
  const random = seeded(12);
  return sizes.flatMap(([batch, time, units, dtype]) => {
    const draw = (...shape: number[]) => randomTensor(random, shape, dtype, -0.25, 0.25);
    const steps = (gates: number) => draw(batch, time, gates * units);
    const kernel = (gates: number) => draw(units, gates * units);
    const state = () => draw(batch, units);
    const operands = {
      lstm: [steps(4), kernel(4)],
      lstmGrad: [kernel(4), steps(1), steps(4), steps(1), steps(1)],
      gru: [steps(3), kernel(3), draw(3 * units)],
      gruGrad: [kernel(3), steps(1), steps(4), steps(1)],
    };
    return Object.entries(operands).flatMap(([name, inputs]) => {
      const states = name === "lstm" ? [state(), state()] : [state()];
      return [inputs, [...inputs, ...states]].map((list) => labeled(primitiveByName(name), list, {}));
    });
  });
}
