/** Matrix multiplication. */
import {
  type Aval,
  broadcastShapes,
  concreteSize,
  type Dim,
  type DType,
  DTypeError,
  formatAval,
  formatDim,
  formatShape,
  type Shape,
  ShapeError,
  sumDType,
  type Tensor,
} from "../core/index.ts";
import type { OpBuilder, ReferenceArray } from "../trace/index.ts";
import { alignMapped, javascriptScalars, type Op2, op2, sumTo } from "./define/index.ts";

type Family = typeof import("./matmul.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

type Flags = {
  transposeA: boolean;
  transposeB: boolean;
  /** The result keeps the dtype of the sums: float32 for products of halves, int32 for those of int8 and uint8. */
  wide?: boolean;
};

/** Rows, inner size and columns after the flags. */
function matrixSizes(
  a: Shape,
  b: Shape,
  { transposeA, transposeB }: Flags,
): { m: Dim; k: Dim; kOfB: Dim; n: Dim } {
  const [rowsA = 0, columnsA = 0] = a.slice(-2);
  const [rowsB = 0, columnsB = 0] = b.slice(-2);
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [kOfB, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  return { m, k, kOfB, n };
}

function checkOperands(a: Aval, b: Aval, flags: Flags): void {
  if (a.dtype !== b.dtype) {
    throw new DTypeError(
      `matmul: expected equal dtypes; received ${formatAval(a)} and ${formatAval(b)}. Convert one with .astype(…).`,
    );
  }
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(
      `matmul: expected two matrices or stacks of matrices (rank ≥ 2); received ${formatShape(a.shape)} and ${formatShape(b.shape)}. ` +
        `Give a vector a second axis with reshape.`,
    );
  }
  const { k, kOfB } = matrixSizes(a.shape, b.shape, flags);
  if (k === kOfB) return;
  const [axisA, axisB] = [
    flags.transposeA ? "second-to-last" : "last",
    flags.transposeB ? "last" : "second-to-last",
  ];
  throw new ShapeError(
    `matmul: the ${axisA} axis of a (${formatShape(a.shape)}) must equal the ${axisB} of b (${formatShape(b.shape)}); ` +
      `received ${formatDim(k)} and ${formatDim(kOfB)}. To multiply by the transpose, use a.matmul(b.transpose()).`,
  );
}

/**
 * The cotangent of one factor of C = op(A)·op(B): of A it is Ċ·op(B)ᵀ, of B it is op(A)ᵀ·Ċ, each transposed again when
 * its flag says that the factor is stored transposed, (X·Y)ᵀ = Yᵀ·Xᵀ. Flags alone do it; nothing is moved.
 */
function factorCotangent(
  o: OpBuilder,
  ct: Tensor,
  other: Tensor,
  index: number,
  { transposeA, transposeB }: Flags,
): Tensor {
  if (index === 0) {
    return transposeA
      ? o.matmul(other, ct, { transposeA: transposeB, transposeB: true })
      : o.matmul(ct, other, { transposeA: false, transposeB: !transposeB });
  }
  return transposeB
    ? o.matmul(ct, other, { transposeA: true, transposeB: transposeA })
    : o.matmul(other, ct, { transposeA: !transposeA, transposeB: false });
}

/** The matrices of a stack as one, row behind row; undefined where the number of rows is not known. */
function joinRows(o: OpBuilder, x: Tensor): Tensor | undefined {
  const [rows, columns] = [x.shape.slice(0, -1), x.shape.at(-1)];
  if (columns === undefined || !rows.every((size) => typeof size === "number")) return undefined;
  return o.reshape(x, { shape: [concreteSize(rows), columns] });
}

/**
 * The cotangent of one matrix B that all matrices of a stack A are multiplied by: one product whose sums go over all rows of the
 * stack, in place of a stack of products and their sum. Undefined where the rows do not lie one behind the other.
 */
function sharedFactorCotangent(
  o: OpBuilder,
  ct: Tensor,
  a: Tensor,
  rank: number,
  flags: Flags,
): Tensor | undefined {
  if (flags.transposeA || rank > 2 || ct.rank === 2) return undefined;
  const [rowsOfA, rowsOfCt] = [joinRows(o, a), joinRows(o, ct)];
  return rowsOfA && rowsOfCt && factorCotangent(o, rowsOfCt, rowsOfA, 1, flags);
}

function inDType(o: OpBuilder, x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : o.convert(x, { dtype });
}

/** Element (row, column) of matrix number `index` of a stack, by the stack's own broadcasting. */
function matrixReader(
  x: ReferenceArray,
  leading: readonly number[],
  transposed: boolean,
): (index: number) => (row: number, column: number) => number | bigint {
  const own = x.shape.slice(0, -2);
  const [rows = 0, columns = 0] = x.shape.slice(-2);
  return (index) => {
    let [rest, stride, at] = [index, 1, 0];
    for (let axis = leading.length - 1; axis >= leading.length - own.length; axis--) {
      const [size, ownSize] = [leading[axis] ?? 1, own[axis - leading.length + own.length] ?? 1];
      if (ownSize !== 1) at += (rest % size) * stride;
      stride *= ownSize;
      rest = Math.floor(rest / size);
    }
    const offset = at * rows * columns;
    return (row, column) =>
      x.data[offset + (transposed ? column * columns + row : row * columns + column)] ?? 0;
  };
}

const sampled = (shape: readonly number[]) => ({ shape, low: -2, high: 2 });

/**
 * C = op(A)·op(B) over the last two axes; a flag says that the factor is stored transposed. Leading axes broadcast.
 * Shapes [..., m, k] and [..., k, n] after the flags → [..., m, n]. Sums of integers wrap; products of halves are summed in float32.
 */
export const matmul: Op2<Flags> = op2("matmul", {
  dtypes: "number",
  abstract: ([a, b], flags) => {
    checkOperands(a, b, flags);
    const { m, n } = matrixSizes(a.shape, b.shape, flags);
    const leading = broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)], "matmul, leading axes");
    return { shape: [...leading, m, n], dtype: flags.wide ? sumDType(a.dtype) : a.dtype };
  },
  linear: { kind: "each", operands: [0, 1] },
  transpose: (o, ct, inputs, flags, operand, index) => {
    // Wide sums have wide cotangents: those of the factors are rounded once, at the end.
    const other = inDType(o, inputs[index === 0 ? 1 : 0], ct.dtype);
    const shared = index === 1 ? sharedFactorCotangent(o, ct, other, operand.shape.length, flags) : undefined;
    const cotangent = shared ?? sumTo(o, factorCotangent(o, ct, other, index, flags), operand.shape);
    return inDType(o, cotangent, operand.dtype);
  },
  batch: (o, inputs, mapped, flags) => {
    const [a, b] = alignMapped(o, inputs, mapped);
    return o.matmul(a ?? inputs[0], b ?? inputs[1], flags);
  },
  reference: ([a, b], flags, { shape, dtype }) => {
    const { m, k, n } = matrixSizes(a.shape, b.shape, flags) as { m: number; k: number; n: number };
    const leading = shape.slice(0, -2);
    const { add, mul, constant } = javascriptScalars(dtype);
    const [readA, readB] = [
      matrixReader(a, leading, flags.transposeA),
      matrixReader(b, leading, flags.transposeB),
    ];
    const result: (number | bigint)[] = [];
    for (let matrix = 0; matrix < leading.reduce((x, y) => x * y, 1); matrix++) {
      const [elementA, elementB] = [readA(matrix), readB(matrix)];
      for (let row = 0; row < m; row++) {
        for (let column = 0; column < n; column++) {
          let sum = constant(0);
          for (let i = 0; i < k; i++) sum = add(sum, mul(elementA(row, i), elementB(i, column)));
          result.push(sum);
        }
      }
    }
    return result;
  },
  cost: ([a, b], flags, y) => ({
    flops: 2 * concreteSize(y.shape) * Number(matrixSizes(a.shape, b.shape, flags).k),
  }),
  samples: () => [
    { inputs: [sampled([2, 3]), sampled([3, 4])], params: { transposeA: false, transposeB: false } },
    { inputs: [sampled([0, 3]), sampled([3, 2])], params: { transposeA: false, transposeB: false } },
    { inputs: [sampled([3, 2]), sampled([3, 4])], params: { transposeA: true, transposeB: false } },
    { inputs: [sampled([2, 3]), sampled([4, 3])], params: { transposeA: false, transposeB: true } },
    { inputs: [sampled([3, 2]), sampled([4, 3])], params: { transposeA: true, transposeB: true } },
    { inputs: [sampled([2, 1, 2, 3]), sampled([4, 3, 2])], params: { transposeA: false, transposeB: false } },
    { inputs: [sampled([2, 3]), sampled([2, 1, 2, 2])], params: { transposeA: true, transposeB: true } },
    { inputs: [sampled([2, 1, 3, 4]), sampled([4, 2])], params: { transposeA: false, transposeB: false } },
    { inputs: [sampled([2, 3, 4]), sampled([2, 4])], params: { transposeA: false, transposeB: true } },
    { inputs: [sampled([2, 0]), sampled([0, 3])], params: { transposeA: false, transposeB: false } },
    {
      inputs: [sampled([3, 5]), sampled([5, 2])],
      params: { transposeA: false, transposeB: false, wide: true },
    },
    {
      inputs: [sampled([2, 5, 3]), sampled([4, 5])],
      params: { transposeA: true, transposeB: true, wide: true },
    },
  ],
});
