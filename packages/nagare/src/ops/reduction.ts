/** Operations that reduce axes. The reduced axes disappear; `axes` are in rising order, counted from the front. */
import {
  type Aval,
  concreteSize,
  type DType,
  formatShape,
  rowMajorStrides,
  ShapeError,
  sizeOf,
  type Tensor,
} from "../core/index.ts";
import type { OpBuilder, ReferenceArray } from "../trace/index.ts";
import { javascriptScalars, type Op1, op1 } from "./define/index.ts";

type Family = typeof import("./reduction.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

type Axes = { axes: readonly number[] };
type Axis = { axis: number };

/** The shape without the reduced axes. */
function reducedShape(x: Aval, axes: readonly number[], name: string): Aval["shape"] {
  const rank = x.shape.length;
  const valid = axes.every(
    (axis, i) => Number.isInteger(axis) && axis >= 0 && axis < rank && axis > (axes[i - 1] ?? -1),
  );
  if (!valid) {
    throw new ShapeError(
      `${name}: expected rising axes of ${formatShape(x.shape)}; received [${axes.join(", ")}].`,
    );
  }
  return x.shape.filter((_, i) => !axes.includes(i));
}

/** Refuses to look for the extreme of nothing. */
function checkNotEmpty(x: Aval, axes: readonly number[], name: string): void {
  if (axes.some((axis) => x.shape[axis] === 0)) {
    throw new ShapeError(
      `${name}: no elements to choose from: axes [${axes.join(", ")}] of ${formatShape(x.shape)} are empty. ` +
        `Check the size before, or use a reduction with a neutral element, such as sum.`,
    );
  }
}

/** A reduced result, stretched back over x. */
function stretched(o: OpBuilder, reduced: Tensor, x: Aval, axes: readonly number[]): Tensor {
  const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
  return o.broadcastTo(o.reshape(reduced, { shape: kept }), { shape: x.shape });
}

const reduceBatch =
  (name: "reduceSum" | "reduceProd" | "reduceMax" | "reduceMin") =>
  (o: OpBuilder, [x]: readonly [Tensor], _: unknown, { axes }: Axes): Tensor =>
    o[name](x, { axes: axes.map((axis) => axis + 1) });

/** For every output element, the elements of x that fold into it, in row-major order. */
function groups(x: ReferenceArray, axes: readonly number[]): (number | bigint)[][] {
  const strides = rowMajorStrides(x.shape);
  const kept = x.shape.map((_, i) => i).filter((axis) => !axes.includes(axis));
  const keptStrides = rowMajorStrides(kept.map((axis) => x.shape[axis] ?? 1));
  const result = Array.from(
    { length: kept.reduce((product, axis) => product * (x.shape[axis] ?? 1), 1) },
    (): (number | bigint)[] => [],
  );
  for (let i = 0; i < x.data.length; i++) {
    let at = 0;
    kept.forEach((axis, k) => {
      at += (Math.floor(i / (strides[axis] ?? 1)) % (x.shape[axis] ?? 1)) * (keptStrides[k] ?? 0);
    });
    result[at]?.push(x.data[i] ?? 0);
  }
  return result;
}

/** Folds with scalar arithmetic: float64 for floats, wrapping for integers. */
function fold(
  x: ReferenceArray,
  axes: readonly number[],
  start: number | undefined,
  pick: "add" | "mul" | "maximum" | "minimum",
): (number | bigint)[] {
  const scalars = javascriptScalars(x.dtype);
  const combine = scalars[pick];
  return groups(x, axes).map((elements) => {
    if (start !== undefined) elements.unshift(scalars.constant(start));
    return elements.reduce((a, b) => combine(a, b));
  });
}

/** One operation for each element. */
function reductionCost([x]: readonly [Aval]): { flops: number } {
  return { flops: concreteSize(x.shape) };
}

const distinct = { low: -2, high: 2, distinct: true };

/** The sum of the elements; 0 for none. Integers wrap. */
export const reduceSum: Op1<Axes> = op1("reduceSum", {
  dtypes: "number",
  abstract: ([x], { axes }) => ({ shape: reducedShape(x, axes, "reduceSum"), dtype: x.dtype }),
  linear: { kind: "joint", operands: [0] },
  transpose: (o, ct, _, { axes }, operand) => stretched(o, ct, operand, axes),
  batch: reduceBatch("reduceSum"),
  reference: ([x], { axes }) => fold(x, axes, 0, "add"),
  cost: reductionCost,
  samples: () => [
    { inputs: [{ shape: [2, 3], low: -2, high: 2 }], params: { axes: [0, 1] } },
    { inputs: [{ shape: [2, 3, 4], low: -2, high: 2 }], params: { axes: [1] } },
    { inputs: [{ shape: [2, 3, 4], low: -2, high: 2 }], params: { axes: [0, 2] } },
    { inputs: [{ shape: [3], low: -2, high: 2 }], params: { axes: [] } },
    { inputs: [{ shape: [2, 0], low: -2, high: 2 }], params: { axes: [1] } },
    { inputs: [{ shape: [2, 0], low: -2, high: 2 }], params: { axes: [0] } },
  ],
});

/** The product of the elements; 1 for none. Integers wrap. */
export const reduceProd: Op1<Axes> = op1("reduceProd", {
  dtypes: "number",
  abstract: ([x], { axes }) => ({ shape: reducedShape(x, axes, "reduceProd"), dtype: x.dtype }),
  jvp: (o, [x], [dx], { axes }) => productTangent(o, x, dx, axes),
  batch: reduceBatch("reduceProd"),
  reference: ([x], { axes }) => fold(x, axes, 1, "mul"),
  cost: reductionCost,
  samples: () => [
    { inputs: [{ shape: [2, 3], low: 0.5, high: 1.5 }], params: { axes: [0, 1] } },
    { inputs: [{ shape: [2, 5, 2], low: 0.5, high: 1.5 }], params: { axes: [1] } },
    { inputs: [{ shape: [2, 2, 3], low: -1.5, high: -0.5 }], params: { axes: [0, 2] } },
    { inputs: [{ shape: [2, 0], low: 0.5, high: 1.5 }], params: { axes: [1] } },
    { inputs: [{ shape: [2, 0], low: 0.5, high: 1.5 }], params: { axes: [0] } },
  ],
});

/**
 * The product rule over a balanced tree, (p₁, t₁)·(p₂, t₂) = (p₁p₂, t₁p₂ + p₁t₂). Unlike Σ dxᵢ·y/xᵢ it holds at every
 * order where elements are 0.
 */
function productTangent(o: OpBuilder, x: Tensor, dx: Tensor, axes: readonly number[]): Tensor {
  const kept = x.shape.map((_, i) => i).filter((axis) => !axes.includes(axis));
  const shape = kept.map((axis) => x.shape[axis] ?? 1);
  const total = sizeOf(axes.map((axis) => x.shape[axis] ?? 1));
  if (typeof total !== "number") {
    throw new ShapeError(
      `reduceProd: the derivative needs the sizes of the reduced axes to be numbers; received ${formatShape(x.shape)}.`,
    );
  }
  if (total === 0) return o.full({ shape, dtype: x.dtype, value: 0 });
  const rows = (t: Tensor): Tensor =>
    o.reshape(o.transpose(t, { permutation: [...axes, ...kept] }), { shape: [total, sizeOf(shape)] });
  const part = (t: Tensor, from: number, to: number): Tensor =>
    o.slice(t, { starts: [from, 0], limits: [to, t.shape[1] ?? 0], strides: [1, 1] });
  let [product, tangent] = [rows(x), rows(dx)];
  for (let count = total; count > 1; count = Math.ceil(count / 2)) {
    const half = Math.floor(count / 2);
    const [p, q] = [part(product, 0, half), part(product, half, 2 * half)];
    const [s, t] = [part(tangent, 0, half), part(tangent, half, 2 * half)];
    const [pq, st] = [o.mul(p, q), o.add(o.mul(s, q), o.mul(p, t))];
    const odd = count % 2 === 1;
    product = odd ? o.concat([pq, part(product, 2 * half, count)], { axis: 0 }) : pq;
    tangent = odd ? o.concat([st, part(tangent, 2 * half, count)], { axis: 0 }) : st;
  }
  return o.reshape(tangent, { shape });
}

/** The extreme's tangent; elements that tie for it have equal shares. */
function extremeTangent(o: OpBuilder, x: Tensor, dx: Tensor, axes: readonly number[], y: Tensor): Tensor {
  const winners = o.convert(o.equal(x, stretched(o, y, x, axes)), { dtype: x.dtype });
  return o.div(o.reduceSum(o.mul(dx, winners), { axes }), o.reduceSum(winners, { axes }));
}

function extreme(name: "reduceMax" | "reduceMin", pick: "maximum" | "minimum"): Op1<Axes> {
  return op1(name, {
    dtypes: "any",
    abstract: ([x], { axes }) => {
      const shape = reducedShape(x, axes, name);
      checkNotEmpty(x, axes, name);
      return { shape, dtype: x.dtype };
    },
    jvp: (o, [x], [dx], { axes }, y) => extremeTangent(o, x, dx, axes, y),
    batch: reduceBatch(name),
    reference: ([x], { axes }) => fold(x, axes, undefined, pick),
    cost: reductionCost,
    samples: () => [
      { inputs: [{ shape: [2, 3], ...distinct }], params: { axes: [0, 1] } },
      { inputs: [{ shape: [2, 3, 4], ...distinct }], params: { axes: [1] } },
      { inputs: [{ shape: [2, 3, 4], ...distinct }], params: { axes: [0, 2] } },
      { inputs: [{ shape: [0, 2], ...distinct }], params: { axes: [1] } },
      { inputs: [{ shape: [2, 0], ...distinct }], params: { axes: [0] } },
    ],
  });
}

/** The largest element; NaN when one is. Over bool: whether any holds. */
export const reduceMax: Op1<Axes> = extreme("reduceMax", "maximum");

/** The smallest element; NaN when one is. Over bool: whether all hold. */
export const reduceMin: Op1<Axes> = extreme("reduceMin", "minimum");

function argExtreme(
  name: "argMax" | "argMin",
  beats: (a: number | bigint, b: number | bigint) => boolean,
): Op1<Axis> {
  return op1(name, {
    dtypes: "any",
    abstract: ([x], { axis }) => {
      const shape = reducedShape(x, [axis], name);
      checkNotEmpty(x, [axis], name);
      return { shape, dtype: "int32" satisfies DType };
    },
    jvp: null,
    batch: (o, [x], _, { axis }) => o[name](x, { axis: axis + 1 }),
    reference: ([x], { axis }) =>
      groups(x, [axis]).map((elements) => {
        const firstNan = elements.findIndex((element) => Number.isNaN(element));
        if (firstNan >= 0) return firstNan;
        return elements.reduce<number>(
          (best, element, i) => (beats(element, elements[best] ?? 0) ? i : best),
          0,
        );
      }),
    cost: reductionCost,
    samples: () => [
      { inputs: [{ shape: [5], ...distinct }], params: { axis: 0 } },
      { inputs: [{ shape: [2, 0], ...distinct }], params: { axis: 0 } },
      { inputs: [{ shape: [2, 3, 4], ...distinct }], params: { axis: 1 } },
      { inputs: [{ shape: [3, 4], low: 0, high: 2 }], params: { axis: 1 } },
    ],
  });
}

/** The index of the largest element along an axis, as int32: the first one at a tie, the first NaN when there is one. */
export const argMax: Op1<Axis> = argExtreme("argMax", (a, b) => a > b);

/** The index of the smallest element along an axis, as int32: the first one at a tie, the first NaN when there is one. */
export const argMin: Op1<Axis> = argExtreme("argMin", (a, b) => a < b);
