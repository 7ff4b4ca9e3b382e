/** Rows picked by number, and rows added where numbers say: each is the other's transpose. */
import {
  type Aval,
  bytesOf,
  type Dim,
  DTypeError,
  formatShape,
  type Shape,
  ShapeError,
  sameShape,
  ValueError,
} from "../core/index.ts";
import { broadcastMapped, javascriptScalars, type Op2, op2 } from "./define/index.ts";

type Family = typeof import("./indexing.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/**
 * `axis` of x is the one that indices point into, counted over all axes. The first `batchAxes` axes of x and of the
 * indices belong together: each index points into the x of its own batch.
 */
type IndexParams = { axis: number; batchAxes: number };

/** The shape [batch, before, …, after], with the axis in the middle and what stands there: its size, or the indices'. */
function parts(shape: Shape, indices: Shape, { axis, batchAxes }: IndexParams) {
  return {
    batch: indices.slice(0, batchAxes),
    before: shape.slice(batchAxes, axis),
    picks: indices.slice(batchAxes),
  };
}

function checkIndices(indices: Aval, name: string): void {
  if (indices.dtype === "int32" || indices.dtype === "int64") return;
  throw new DTypeError(
    `${name}: expected indices of int32 or int64; received ${indices.dtype}. Convert them with .astype("int32").`,
  );
}

function checkAxes(shape: Shape, indices: Shape, { axis, batchAxes }: IndexParams, name: string): void {
  const valid =
    Number.isInteger(axis) &&
    Number.isInteger(batchAxes) &&
    batchAxes >= 0 &&
    axis >= batchAxes &&
    axis < shape.length;
  if (
    valid &&
    sameShape(shape.slice(0, batchAxes), indices.slice(0, batchAxes)) &&
    indices.length >= batchAxes
  )
    return;
  throw new ShapeError(
    `${name}: expected an axis of ${formatShape(shape)} after ${batchAxes} leading axes shared with the indices ${formatShape(indices)}; ` +
      `received axis ${axis}.`,
  );
}

/** Calls `visit` with the offsets of every picked element in the picked tensor and in x. */
function eachPick(
  x: readonly number[],
  indices: { readonly shape: readonly number[]; readonly data: ArrayLike<number | bigint> },
  { axis, batchAxes }: IndexParams,
  name: string,
  visit: (picked: number, source: number) => void,
): void {
  const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
  const batch = product(x.slice(0, batchAxes));
  const outer = product(x.slice(batchAxes, axis));
  const size = x[axis] ?? 0;
  const inner = product(x.slice(axis + 1));
  const count = product(indices.shape.slice(batchAxes));
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < outer; i++) {
      for (let k = 0; k < count; k++) {
        const index = Number(indices.data[b * count + k]);
        if (!(index >= 0 && index < size)) {
          throw new ValueError(
            `${name}: expected indices from 0 to ${size - 1} for an axis of size ${size}; received ${index}.`,
          );
        }
        const block = b * outer + i;
        for (let j = 0; j < inner; j++)
          visit((block * count + k) * inner + j, (block * size + index) * inner + j);
      }
    }
  }
}

const values = (...shape: number[]) => ({ shape, low: -2, high: 2 });
const indexInput = (shape: readonly number[], size: number) => ({
  shape,
  dtype: "int32" as const,
  low: 0,
  high: size - 1,
});

/**
 * The elements of x at `indices` along an axis, as NumPy's take: for indices of shape I (after the batch axes) the axis
 * is replaced by I. Indices are int32 or int64, from 0 to size − 1; others throw ValueError.
 */
export const gather: Op2<IndexParams> = op2("gather", {
  dtypes: "any",
  abstract: ([x, indices], params) => {
    checkIndices(indices, "gather");
    checkAxes(x.shape, indices.shape, params, "gather");
    const { batch, before, picks } = parts(x.shape, indices.shape, params);
    return { shape: [...batch, ...before, ...picks, ...x.shape.slice(params.axis + 1)], dtype: x.dtype };
  },
  linear: { kind: "joint", operands: [0] },
  transpose: (o, ct, [, indices], params, operand) =>
    o.scatterAdd(ct, indices, { ...params, size: operand.shape[params.axis] ?? 0 }),
  batch: (o, [x, indices], [xMapped, indicesMapped], { axis, batchAxes }, size) => {
    if (batchAxes === 0 && !indicesMapped) return o.gather(x, indices, { axis: axis + 1, batchAxes });
    if (batchAxes === 0 && !xMapped) {
      const picked = o.gather(x, indices, { axis, batchAxes });
      const others = picked.shape.map((_, i) => i).filter((i) => i !== axis);
      return o.transpose(picked, { permutation: [axis, ...others] });
    }
    const [own, at] = [
      broadcastMapped(o, x, xMapped, size),
      broadcastMapped(o, indices, indicesMapped, size),
    ];
    return o.gather(own, at, { axis: axis + 1, batchAxes: batchAxes + 1 });
  },
  reference: ([x, indices], params, { shape }) => {
    const result = new Array<number | bigint>(shape.reduce((a, b) => a * b, 1));
    eachPick(x.shape, indices, params, "gather", (picked, from) => {
      result[picked] = x.data[from] ?? 0;
    });
    return result;
  },
  // Only the elements that are picked.
  cost: ([, indices], _, y) => ({ bytes: bytesOf(indices) + 2 * bytesOf(y) }),
  samples: () => [
    { inputs: [values(5, 2), indexInput([3], 5)], params: { axis: 0, batchAxes: 0 } },
    { inputs: [values(3, 2), indexInput([0], 3)], params: { axis: 0, batchAxes: 0 } },
    { inputs: [values(2, 4, 3), indexInput([2, 2], 4)], params: { axis: 1, batchAxes: 0 } },
    { inputs: [values(3, 4), indexInput([], 4)], params: { axis: 1, batchAxes: 0 } },
    { inputs: [values(3, 4), indexInput([3], 4)], params: { axis: 1, batchAxes: 1 } },
    {
      inputs: [values(2, 3, 4, 2), { ...indexInput([2, 3], 4), dtype: "int64" }],
      params: { axis: 2, batchAxes: 1 },
    },
  ],
});

/**
 * The transpose of `gather`: zeros with an axis of `size`, to which the elements of ct are added at `indices`; an index
 * that comes twice adds twice.
 */
export const scatterAdd: Op2<IndexParams & { size: Dim }> = op2("scatterAdd", {
  dtypes: "number",
  abstract: ([ct, indices], { axis, batchAxes, size }) => {
    checkIndices(indices, "scatterAdd");
    const { batch, before, picks } = parts(ct.shape, indices.shape, { axis, batchAxes });
    const after = ct.shape.slice(axis + picks.length);
    const shape = [...batch, ...before, size, ...after];
    checkAxes(shape, indices.shape, { axis, batchAxes }, "scatterAdd");
    const expected = [...batch, ...before, ...picks, ...after];
    if (!sameShape(ct.shape, expected)) {
      throw new ShapeError(
        `scatterAdd: expected updates of shape ${formatShape(expected)} for indices ${formatShape(indices.shape)} on axis ${axis}; ` +
          `received ${formatShape(ct.shape)}.`,
      );
    }
    return { shape, dtype: ct.dtype };
  },
  linear: { kind: "joint", operands: [0] },
  transpose: (o, ct, [, indices], { axis, batchAxes }) => o.gather(ct, indices, { axis, batchAxes }),
  batch: (o, [ct, indices], [ctMapped, indicesMapped], { axis, batchAxes, size: rows }, size) => {
    if (batchAxes === 0 && !indicesMapped)
      return o.scatterAdd(ct, indices, { axis: axis + 1, batchAxes, size: rows });
    const [own, at] = [
      broadcastMapped(o, ct, ctMapped, size),
      broadcastMapped(o, indices, indicesMapped, size),
    ];
    return o.scatterAdd(own, at, { axis: axis + 1, batchAxes: batchAxes + 1, size: rows });
  },
  reference: ([ct, indices], params, { shape, dtype }) => {
    const { add, constant } = javascriptScalars(dtype);
    const result = new Array<number | bigint>(shape.reduce((a, b) => a * b, 1)).fill(constant(0));
    eachPick(shape, indices, params, "scatterAdd", (picked, to) => {
      result[to] = add(result[to] ?? constant(0), ct.data[picked] ?? constant(0));
    });
    return result;
  },
  samples: () => [
    { inputs: [values(3, 2), indexInput([3], 5)], params: { axis: 0, batchAxes: 0, size: 5 } },
    { inputs: [values(0, 2), indexInput([0], 3)], params: { axis: 0, batchAxes: 0, size: 3 } },
    { inputs: [values(2, 2, 2, 3), indexInput([2, 2], 4)], params: { axis: 1, batchAxes: 0, size: 4 } },
    { inputs: [values(3), indexInput([], 4)], params: { axis: 1, batchAxes: 0, size: 4 } },
    { inputs: [values(3), indexInput([3], 4)], params: { axis: 1, batchAxes: 1, size: 4 } },
    {
      inputs: [values(2, 3, 3, 2), { ...indexInput([2, 3], 4), dtype: "int64" }],
      params: { axis: 2, batchAxes: 1, size: 4 },
    },
  ],
});
