/** How variables begin. */

import { full, mul, ones, zeros } from "../array/index.ts";
import { type DType, type Tensor, ValueError } from "../core/index.ts";
import { nextKey, normal, uniform } from "../random/index.ts";

/** Makes the first value of a variable. Kernels are [...window, inputs, outputs]. */
export type Initializer = (shape: readonly number[], dtype: DType) => Tensor;

/** The initializers that layers accept by name. */
export type InitializerName = "zeros" | "ones" | "glorotUniform" | "glorotNormal" | "heUniform" | "heNormal";

/** Inputs and outputs of one unit: the last two axes times the window in front of them. */
function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const window = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const outputs = shape.at(-1) ?? 1;
  const inputs = shape.at(-2) ?? outputs;
  return { fanIn: inputs * window, fanOut: outputs * window };
}

function uniformWithin(limit: number): Initializer {
  return (shape, dtype) => uniform(nextKey(), shape, { low: -limit, high: limit, dtype });
}

function normalWith(deviation: number): Initializer {
  return (shape, dtype) => mul(normal(nextKey(), shape, { dtype }), deviation);
}

const byName: { readonly [K in InitializerName]: Initializer } = {
  zeros: (shape, dtype) => zeros(shape, { dtype }),
  ones: (shape, dtype) => ones(shape, { dtype }),
  glorotUniform: (shape, dtype) => {
    const { fanIn, fanOut } = fans(shape);
    return uniformWithin(Math.sqrt(6 / (fanIn + fanOut)))(shape, dtype);
  },
  glorotNormal: (shape, dtype) => {
    const { fanIn, fanOut } = fans(shape);
    return normalWith(Math.sqrt(2 / (fanIn + fanOut)))(shape, dtype);
  },
  heUniform: (shape, dtype) => uniformWithin(Math.sqrt(6 / fans(shape).fanIn))(shape, dtype),
  heNormal: (shape, dtype) => normalWith(Math.sqrt(2 / fans(shape).fanIn))(shape, dtype),
};

/** Every element equal to `value`. */
export function constant(value: number): Initializer {
  return (shape, dtype) => full(shape, value, { dtype });
}

/**
 * An initializer by name, or the given one. Glorot: variance 2/(fanIn + fanOut) (Glorot & Bengio 2010); He: variance
 * 2/fanIn, for ReLU (He et al. 2015). Throws ValueError for an unknown name.
 */
export function initializer(choice: InitializerName | Initializer): Initializer {
  if (typeof choice === "function") return choice;
  if (!Object.hasOwn(byName, choice)) {
    throw new ValueError(
      `initializer: expected one of ${Object.keys(byName).join(", ")}; received ${JSON.stringify(choice)}.`,
    );
  }
  return byName[choice];
}
