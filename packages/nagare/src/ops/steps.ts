/** Sequences [batch, time, …] step by step: what the decompositions of recurrent operations are written with. */
import { type Aval, formatAval, mulDims, ShapeError, sameShape, type Tensor } from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";

const plain = { transposeA: false, transposeB: false };

/** The shape of a sequence of gates. */
export interface SequenceSizes {
  readonly batch: Aval["shape"][0];
  readonly time: number;
  readonly units: number;
}

/** Throws ShapeError or DTypeError unless x is [batch, time, gates · units] and `recurrent` [units, gates · units]. */
export function sequenceSizes(x: Aval, recurrent: Aval, gates: number, name: string): SequenceSizes {
  const [batch, time, columns] = x.shape;
  const [units] = recurrent.shape;
  const fits =
    batch !== undefined &&
    x.shape.length === 3 &&
    typeof time === "number" &&
    time >= 1 &&
    typeof units === "number" &&
    columns === gates * units &&
    sameShape(recurrent.shape, [units, columns]);
  if (fits) return { batch, time, units };
  throw new ShapeError(
    `${name}: expected gates [batch, time, ${gates} · units] of at least one step, time being a number, and a recurrent kernel ` +
      `[units, ${gates} · units]; received ${formatAval(x)} and ${formatAval(recurrent)}.`,
  );
}

/** Throws ShapeError unless each operand has the shape it must have, and the first one's dtype. */
export function checkLike(
  name: string,
  dtype: Aval["dtype"],
  operands: readonly (readonly [what: string, operand: Aval | undefined, shape: Aval["shape"]])[],
): void {
  for (const [what, operand, shape] of operands) {
    if (!operand || (sameShape(operand.shape, shape) && operand.dtype === dtype)) continue;
    throw new ShapeError(
      `${name}: expected ${what} to be ${formatAval({ shape, dtype })}; received ${formatAval(operand)}.`,
    );
  }
}

/** Step number `t`: [batch, time, n] → [batch, n]. */
export function stepAt(o: OpBuilder, x: Tensor, t: number): Tensor {
  const [batch = 0, , n = 0] = x.shape;
  const step = o.slice(x, { starts: [0, t, 0], limits: [batch, t + 1, n], strides: [1, 1, 1] });
  return o.reshape(step, { shape: [batch, n] });
}

/** Steps [batch, n] in order of time → [batch, time, n]. */
export function stackSteps(o: OpBuilder, steps: readonly Tensor[]): Tensor {
  const rows = steps.map((step) => o.reshape(step, { shape: [step.shape[0] ?? 0, 1, step.shape[1] ?? 0] }));
  return o.concat(rows, { axis: 1 });
}

/** The gates that stand side by side in [batch, gates · units]. */
export function gatesOf(o: OpBuilder, x: Tensor, units: number): Tensor[] {
  const [batch = 0, columns = 0] = x.shape;
  return Array.from({ length: Number(columns) / units }, (_, gate) =>
    o.slice(x, { starts: [0, gate * units], limits: [batch, (gate + 1) * units], strides: [1, 1] }),
  );
}

/** h · W, and dh · Wᵀ. */
export const product = (o: OpBuilder, h: Tensor, w: Tensor): Tensor => o.matmul(h, w, plain);
export const productOfTranspose = (o: OpBuilder, dh: Tensor, w: Tensor): Tensor =>
  o.matmul(dh, w, { transposeA: false, transposeB: true });

/** What each step found: the sequence moved on by one step, with `first` (zeros where there is none) at its beginning. */
export function delayed(o: OpBuilder, sequence: Tensor, first: Tensor | undefined): Tensor {
  const [batch = 0, time = 0, units = 0] = sequence.shape;
  const start = first
    ? o.reshape(first, { shape: [batch, 1, units] })
    : o.full({ shape: [batch, 1, units], dtype: sequence.dtype, value: 0 });
  if (time === 1) return start;
  const limits = [batch, Number(time) - 1, units];
  return o.concat([start, o.slice(sequence, { starts: [0, 0, 0], limits, strides: [1, 1, 1] })], { axis: 1 });
}

/** Σ over sequences and steps of aᵀ · b: [batch, time, n], [batch, time, m] → [n, m], one product. */
export function productOverSteps(o: OpBuilder, a: Tensor, b: Tensor): Tensor {
  const rows = (x: Tensor) => {
    const [batch = 0, time = 0, n = 0] = x.shape;
    return o.reshape(x, { shape: [mulDims(batch, time), n] });
  };
  return o.matmul(rows(a), rows(b), { transposeA: true, transposeB: false });
}

/** A cotangent, or zeros where nothing depends on the result. */
export function orZeros(o: OpBuilder, cotangent: Tensor | undefined, like: Aval): Tensor {
  return cotangent ?? o.full({ shape: like.shape, dtype: like.dtype, value: 0 });
}

/** 1 − x, and the derivative of a sigmoid from its value y. */
export const oneLess = (o: OpBuilder, x: Tensor): Tensor => o.sub(1, x);
export const slopeOfSigmoid = (o: OpBuilder, y: Tensor): Tensor => o.mul(y, oneLess(o, y));

/** An operand of a sample. */
export const values = (...shape: number[]) => ({ shape, low: -1, high: 1 });
