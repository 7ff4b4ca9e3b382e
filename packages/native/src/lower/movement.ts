/** Operations that move elements, or make them out of nothing. */
import {
  bytesPerElement,
  concreteShape,
  type Dim,
  type DType,
  type Node,
  rowMajorStrides,
} from "nagare/backend";
import type { Place } from "../instructions.ts";
import { type Lowering, type LoweringContext, operandOf, product, resultOf, sizes } from "./lowering.ts";

/** A walk through two tensors at once: where it starts, in elements, and how each axis steps in either. */
interface Walk {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly from: { readonly place: Place; readonly first: number; readonly strides: readonly number[] };
  readonly to: { readonly place: Place; readonly first: number; readonly strides: readonly number[] };
}

function writeCopy({ writer }: LoweringContext, { dtype, dims, from, to }: Walk): void {
  const start = ({ place, first }: Walk["from"]): Place => ({
    base: place.base,
    offset: place.offset + first * bytesPerElement(dtype),
  });
  writer.instruction("copy", () => {
    writer.dtype(dtype);
    writer.int(dims.length);
    dims.forEach((size, axis) => {
      writer.wide(size);
      writer.wide(from.strides[axis] ?? 0);
      writer.wide(to.strides[axis] ?? 0);
    });
    writer.place(start(from));
    writer.place(start(to));
  });
}

function writeFill(
  { writer }: LoweringContext,
  dtype: DType,
  count: number,
  value: number | bigint,
  to: Place,
): void {
  writer.instruction("fill", () => {
    writer.dtype(dtype);
    writer.wide(count);
    writer.element(dtype, value);
    writer.place(to);
  });
}

/** A dense result read from the operand with these strides, starting at element `first`. */
function gatherStrided(node: Node, context: LoweringContext, strides: readonly number[], first = 0): void {
  const [x, y] = [operandOf(node, 0), resultOf(node)];
  const dims = sizes(y);
  writeCopy(context, {
    dtype: y.dtype,
    dims,
    from: { place: context.place(x), first, strides },
    to: { place: context.place(y), first: 0, strides: rowMajorStrides(dims) },
  });
}

/** A dense copy: for results that would otherwise share memory with what they must not. */
export function writeDenseCopy(
  context: LoweringContext,
  dtype: DType,
  count: number,
  from: Place,
  to: Place,
): void {
  writeCopy(context, {
    dtype,
    dims: [count],
    from: { place: from, first: 0, strides: [1] },
    to: { place: to, first: 0, strides: [1] },
  });
}

export const movement: { readonly [name: string]: Lowering } = {
  full: (node, context) => {
    const y = resultOf(node);
    writeFill(context, y.dtype, product(sizes(y)), node.params.value as number | bigint, context.place(y));
  },
  iota: (node, { writer, place }) => {
    const y = resultOf(node);
    const shape = sizes(y);
    const axis = node.params.axis as number;
    writer.instruction("iota", () => {
      writer.dtype(y.dtype);
      writer.wides([product(shape.slice(0, axis)), shape[axis] ?? 1, product(shape.slice(axis + 1))]);
      writer.place(place(y));
    });
  },
  broadcastTo: (node, context) => {
    const [x, y] = [sizes(operandOf(node, 0)), sizes(resultOf(node))];
    const own = rowMajorStrides(x);
    const added = y.length - x.length;
    gatherStrided(
      node,
      context,
      y.map((_, axis) => (axis < added || x[axis - added] === 1 ? 0 : (own[axis - added] ?? 0))),
    );
  },
  transpose: (node, context) => {
    const own = rowMajorStrides(sizes(operandOf(node, 0)));
    gatherStrided(
      node,
      context,
      (node.params.permutation as readonly number[]).map((axis) => own[axis] ?? 0),
    );
  },
  slice: (node, context) => {
    const own = rowMajorStrides(sizes(operandOf(node, 0)));
    const { starts, strides } = node.params as { starts: readonly number[]; strides: readonly number[] };
    const first = own.reduce((sum, stride, axis) => sum + stride * (starts[axis] ?? 0), 0);
    const empty = product(sizes(resultOf(node))) === 0;
    gatherStrided(
      node,
      context,
      own.map((stride, axis) => stride * (strides[axis] ?? 1)),
      empty ? 0 : first,
    );
  },
  flip: (node, context) => {
    const shape = sizes(operandOf(node, 0));
    const own = rowMajorStrides(shape);
    const axes = node.params.axes as readonly number[];
    const first = axes.reduce((sum, axis) => sum + (own[axis] ?? 0) * ((shape[axis] ?? 1) - 1), 0);
    gatherStrided(
      node,
      context,
      own.map((stride, axis) => (axes.includes(axis) ? -stride : stride)),
      product(shape) === 0 ? 0 : first,
    );
  },
  pad: (node, context) => {
    const [x, y] = [operandOf(node, 0), resultOf(node)];
    const { low, interior, value } = node.params as {
      low: readonly number[];
      interior: readonly number[];
      value: number;
    };
    const [from, to] = [sizes(x), sizes(y)];
    const target = rowMajorStrides(to);
    writeFill(context, y.dtype, product(to), value, context.place(y));
    if (product(from) === 0) return;
    writeCopy(context, {
      dtype: y.dtype,
      dims: from,
      from: { place: context.place(x), first: 0, strides: rowMajorStrides(from) },
      to: {
        place: context.place(y),
        first: target.reduce((sum, stride, axis) => sum + stride * (low[axis] ?? 0), 0),
        strides: target.map((stride, axis) => stride * ((interior[axis] ?? 0) + 1)),
      },
    });
  },
  concat: (node, context) => {
    const y = resultOf(node);
    const axis = node.params.axis as number;
    const strides = rowMajorStrides(sizes(y));
    let start = 0;
    for (const x of node.inputs) {
      const dims = sizes(x);
      if (product(dims) > 0) {
        writeCopy(context, {
          dtype: y.dtype,
          dims,
          from: { place: context.place(x), first: 0, strides: rowMajorStrides(dims) },
          to: { place: context.place(y), first: start * (strides[axis] ?? 0), strides },
        });
      }
      start += dims[axis] ?? 0;
    }
  },
  randomBits: (node, { writer, place }) => {
    const [keys, y] = [operandOf(node, 0), resultOf(node)];
    writer.instruction("randomBits", () => {
      writer.wides([product(sizes(keys)) / 2, product(concreteShape(node.params.shape as readonly Dim[]))]);
      writer.place(place(keys));
      writer.place(place(y));
    });
  },
};
