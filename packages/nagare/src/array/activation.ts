/** Softmax and the activation functions that are not primitives. Float dtypes stay; integers and bools give float32. */
import { normalizeAxis, type Tensor, type TensorLike } from "../core/index.ts";
import { asTensor, composite, builder as o, only } from "../ops/index.ts";
import { asFloat, widened } from "./precision.ts";

/** Options of `softmax` and `logSoftmax`. */
export interface SoftmaxOptions {
  /** The axis along which the results sum to 1; default −1, the last. */
  readonly axis?: number;
}

/** The axis as the primitives count it: from behind, the last one as the default. */
function along(axis: number, { rank }: Tensor, name: string): { readonly axis?: number } {
  const at = normalizeAxis(axis, rank, name) - rank;
  return at === -1 ? {} : { axis: at };
}

/**
 * eˣ / Σ eˣ along an axis: positive numbers that sum to 1. Shape [...] → same.
 * @example
 * ng.softmax(ng.tensor([0, 0, 1000])).toArray(); // [0, 0, 1]
 */
export function softmax(x: TensorLike, { axis = -1 }: SoftmaxOptions = {}): Tensor {
  const operand = asTensor(x, "softmax");
  const params = along(axis, operand, "softmax");
  return widened(operand, (wide) => only(o.softmax([wide], params), "softmax"));
}

/**
 * ln softmax(x) = x − ln Σ eˣ along an axis, accurate where softmax itself would round to 0. Shape [...] → same.
 * @example
 * ng.logSoftmax(ng.tensor([0, 1000])).toArray(); // [-1000, 0]
 */
export function logSoftmax(x: TensorLike, { axis = -1 }: SoftmaxOptions = {}): Tensor {
  const operand = asTensor(x, "logSoftmax");
  const params = along(axis, operand, "logSoftmax");
  return widened(operand, (wide) => only(o.logSoftmax([wide], params), "logSoftmax"));
}

/** Options of `gelu`. */
export interface GeluOptions {
  /** Whether to use the tanh approximation of the paper in place of erf; default false. */
  readonly approximate?: boolean;
}

const exactGelu = composite("gelu", ([t]: readonly [Tensor]) =>
  o.mul(o.mul(t, 0.5), o.add(o.erf(o.mul(t, Math.SQRT1_2)), 1)),
);
const tanhGelu = composite("gelu", ([t]: readonly [Tensor]) => {
  const inner = o.mul(o.add(t, o.mul(o.mul(o.square(t), t), 0.044715)), Math.sqrt(2 / Math.PI));
  return o.mul(o.mul(t, 0.5), o.add(o.tanh(inner), 1));
});

/**
 * The Gaussian error linear unit x·Φ(x) = x/2·(1 + erf(x/√2)); approximately x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
 * Hendrycks & Gimpel 2016. Shape [...] → same.
 */
export function gelu(x: TensorLike, { approximate = false }: GeluOptions = {}): Tensor {
  const t = asFloat(asTensor(x, "gelu"));
  return approximate ? tanhGelu([t], {}) : exactGelu([t], {});
}

const composeRelu6 = composite("relu6", ([t]: readonly [Tensor]) => o.minimum(o.relu(t), 6));

/** min(max(x, 0), 6). The derivative is 1 between 0 and 6. Shape [...] → same. */
export function relu6(x: TensorLike): Tensor {
  return composeRelu6([asTensor(x, "relu6")], {});
}

const composeLeakyRelu = composite(
  "leakyRelu",
  ([t]: readonly [Tensor], { slope }: { readonly slope: number }) =>
    o.select(o.greater(t, 0), t, o.mul(t, slope)),
);

/** x where positive, slope·x elsewhere. Shape [...] → same. */
export function leakyRelu(x: TensorLike, slope = 0.01): Tensor {
  return composeLeakyRelu([asFloat(asTensor(x, "leakyRelu"))], { slope });
}

const composeElu = composite("elu", ([t]: readonly [Tensor], { alpha }: { readonly alpha: number }) =>
  // The exponential sees no positive x: there it could overflow, and ∞ · 0 would spoil the derivative.
  o.select(o.greater(t, 0), t, o.mul(o.expm1(o.minimum(t, 0)), alpha)),
);

/** x where positive, alpha·(eˣ − 1) elsewhere. Clevert, Unterthiner & Hochreiter 2015. Shape [...] → same. */
export function elu(x: TensorLike, alpha = 1): Tensor {
  return composeElu([asFloat(asTensor(x, "elu"))], { alpha });
}

const composeSilu = composite("silu", ([t]: readonly [Tensor]) => o.mul(t, o.sigmoid(t)));

/** x·σ(x), also called swish. Elfwing, Uchibe & Doya 2017. Shape [...] → same. */
export function silu(x: TensorLike): Tensor {
  return composeSilu([asFloat(asTensor(x, "silu"))], {});
}

const composeSoftplus = composite("softplus", ([t]: readonly [Tensor]) =>
  o.add(o.maximum(t, 0), o.log1p(o.exp(o.neg(o.abs(t))))),
);

/** ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), which overflows nowhere. Shape [...] → same. */
export function softplus(x: TensorLike): Tensor {
  return composeSoftplus([asFloat(asTensor(x, "softplus"))], {});
}
