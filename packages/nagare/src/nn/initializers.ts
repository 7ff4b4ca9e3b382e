/** How variables begin. */

import { full, ones, zeros } from "../array/index.ts";
import { type DType, formatAval, ShapeError, sameShape, type Tensor, ValueError } from "../core/index.ts";
import { nextKey, normal, uniform } from "../random/index.ts";
import { orthogonal } from "./orthogonal.ts";

/** Makes the first value of a variable. Kernels are [...window, inputs, outputs]. */
export type Initializer = (shape: readonly number[], dtype: DType) => Tensor;

/** Inputs and outputs of one unit: the last two axes times the window in front of them. */
function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const window = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const outputs = shape.at(-1) ?? 1;
  const inputs = shape.at(-2) ?? outputs;
  return { fanIn: inputs * window, fanOut: outputs * window };
}

/** Uniform over (−limit, limit): variance limit²/3. */
function uniformWithin(limit: (fanIn: number, fanOut: number) => number): Initializer {
  return (shape, dtype) => {
    const { fanIn, fanOut } = fans(shape);
    const high = limit(fanIn, fanOut);
    return uniform(nextKey(), shape, { low: -high, high, dtype });
  };
}

function normalWith(deviation: (fanIn: number, fanOut: number) => number): Initializer {
  return (shape, dtype) => {
    const { fanIn, fanOut } = fans(shape);
    return normal(nextKey(), shape, { std: deviation(fanIn, fanOut), dtype });
  };
}

const byName = {
  zeros: (shape: readonly number[], dtype: DType) => zeros(shape, { dtype }),
  ones: (shape: readonly number[], dtype: DType) => ones(shape, { dtype }),
  glorotUniform: uniformWithin((fanIn, fanOut) => Math.sqrt(6 / (fanIn + fanOut))),
  glorotNormal: normalWith((fanIn, fanOut) => Math.sqrt(2 / (fanIn + fanOut))),
  heUniform: uniformWithin((fanIn) => Math.sqrt(6 / fanIn)),
  heNormal: normalWith((fanIn) => Math.sqrt(2 / fanIn)),
  orthogonal,
} as const satisfies Readonly<Record<string, Initializer>>;

/** The initializers that layers accept by name. */
export type InitializerName = keyof typeof byName;

/** The names of all initializers. */
export const initializerNames = Object.keys(byName) as readonly InitializerName[];

/**
 * Every element equal to `value`.
 * @example
 * nn.dense({ units: 10, biasInitializer: nn.constant(0.1) });
 */
export function constant(value: number): Initializer {
  return (shape, dtype) => full(shape, value, { dtype });
}

/**
 * An initializer by name, or the given one, whose result is then checked. Random ones draw from the default generator.
 * Glorot: variance 2/(fanIn + fanOut) (Glorot & Bengio 2010); He: variance 2/fanIn, for ReLU (He et al. 2015);
 * orthogonal: orthonormal rows or columns, for recurrent kernels (Saxe et al. 2013).
 * Throws ValueError for an unknown name.
 * @example
 * nn.initializer("heNormal")([3, 3, 16, 32], "float32");
 */
export function initializer(choice: InitializerName | Initializer): Initializer {
  if (typeof choice === "function") return checked(choice);
  if (!Object.hasOwn(byName, choice)) {
    throw new ValueError(
      `initializer: expected a function or one of ${initializerNames.join(", ")}; received ${JSON.stringify(choice)}.`,
    );
  }
  return byName[choice];
}

function checked(custom: Initializer): Initializer {
  return (shape, dtype) => {
    const made = custom(shape, dtype);
    if (sameShape(made.shape, shape) && made.dtype === dtype) return made;
    throw new ShapeError(
      `initializer: expected ${formatAval({ shape, dtype })} from ${custom.name || "the given function"}; received ${formatAval(made)}.`,
    );
  };
}
