/** Operations that move elements, or make them out of nothing. */
import {
  bodyReadings,
  bytesPerElement,
  concreteShape,
  type Dim,
  type DType,
  denseView,
  isMovement,
  type Node,
  type Reading,
  required,
  rowMajorStrides,
  type Value,
  viewThrough,
} from "nagare/backend";
import type { Place } from "../instructions.ts";
import {
  headOf,
  type Lowering,
  type LoweringContext,
  operandOf,
  product,
  resultOf,
  sizes,
} from "./lowering.ts";

/** A walk through an operand and a result at once: where it starts, in elements, and how each axis steps in either. */
interface Walk {
  readonly dims: readonly number[];
  readonly from: { readonly place: Place; readonly first: number; readonly strides: readonly number[] };
  readonly to: { readonly first: number; readonly strides: readonly number[] };
}

/** What copies write to. */
interface Target {
  readonly dtype: DType;
  readonly size: number;
  readonly place: Place;
}

const targetOf = (y: Value, { place }: LoweringContext): Target => ({
  dtype: y.dtype,
  size: product(sizes(y)),
  place: place(y),
});

function startOf(dtype: DType, { place, first }: Walk["from"]): Place {
  return { base: place.base, offset: place.offset + first * bytesPerElement(dtype) };
}

/** Copies along walks that write to different elements of one result. */
function writeCopies(
  { writer }: LoweringContext,
  { dtype, size, place }: Target,
  walks: readonly Walk[],
): void {
  writer.instruction("copy", () => {
    writer.dtype(dtype);
    writer.wides([size, walks.length]);
    for (const { dims, from, to } of walks) {
      writer.int(dims.length);
      dims.forEach((size, axis) => {
        writer.wides([size, from.strides[axis] ?? 0, to.strides[axis] ?? 0]);
      });
      writer.wide(to.first);
      writer.place(startOf(dtype, from));
    }
    writer.place(place);
  });
}

/** One element in all places of a result. */
function writeFill({ writer, place }: LoweringContext, y: Value, value: number | bigint): void {
  writer.instruction("fill", () => {
    writer.dtype(y.dtype);
    writer.element(y.dtype, value);
    writer.wide(product(sizes(y)));
    writer.place(place(y));
  });
}

/** Where a movement, or several in a row, find the elements of their result; undefined for other nodes. */
export function movedFrom(node: Node): Reading | undefined {
  const { body } = node;
  const [result] = body?.outputs ?? [];
  if (body && result) return body.nodes.every(isMovement) ? bodyReadings(node, body).get(result) : undefined;
  if (!isMovement(node)) return undefined;
  const value = operandOf(node, 0);
  const view = viewThrough(node, denseView(value));
  return view && { value, view };
}

/** One movement, or several in a row: a dense result, each element read where the movements find it. */
export const lowerMovement: Lowering = (node, context) => {
  const y = resultOf(node);
  const reading = movedFrom(node);
  if (!reading) throw new TypeError(`${node.op.name}: no strides lead from the operand to the result.`);
  const { value, view } = reading;
  writeCopies(context, targetOf(y, context), [
    {
      dims: view.shape,
      from: { place: context.place(value), first: view.offset, strides: view.strides },
      to: { first: 0, strides: rowMajorStrides(view.shape) },
    },
  ]);
};

/** A dense copy: for results that would otherwise share memory with what they must not. */
export function writeDenseCopy(
  context: LoweringContext,
  dtype: DType,
  count: number,
  from: Place,
  to: Place,
): void {
  writeCopies(context, { dtype, size: count, place: to }, [
    { dims: [count], from: { place: from, first: 0, strides: [1] }, to: { first: 0, strides: [1] } },
  ]);
}

/** All of `y`: `x` from position `low` on, and one element around it. */
function writePad(
  { writer, place }: LoweringContext,
  x: Value,
  y: Value,
  low: readonly number[],
  value: number,
): void {
  const [from, to] = [sizes(x), sizes(y)];
  writer.instruction("pad", () => {
    writer.dtype(y.dtype);
    writer.element(y.dtype, value);
    writer.int(to.length);
    to.forEach((size, axis) => {
      writer.wides([from[axis] ?? 1, low[axis] ?? 0, size]);
    });
    writer.place(place(x));
    writer.place(place(y));
  });
}

export const movement: { readonly [name: string]: Lowering } = {
  full: (node, context) => writeFill(context, resultOf(node), node.params.value as number | bigint),
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
  broadcastTo: lowerMovement,
  transpose: lowerMovement,
  slice: lowerMovement,
  flip: lowerMovement,
  pad: (node, context) => {
    const [x, y] = [operandOf(node, 0), resultOf(node)];
    const { low, interior, value } = node.params as {
      low: readonly number[];
      interior: readonly number[];
      value: number;
    };
    const [from, to] = [sizes(x), sizes(y)];
    if (product(from) > 0 && interior.every((gap) => gap === 0)) {
      writePad(context, x, y, low, value);
      return;
    }
    writeFill(context, y, value);
    if (product(from) === 0) return;
    const target = rowMajorStrides(to);
    writeCopies(context, targetOf(y, context), [
      {
        dims: from,
        from: { place: context.place(x), first: 0, strides: rowMajorStrides(from) },
        to: {
          first: target.reduce((sum, stride, axis) => sum + stride * (low[axis] ?? 0), 0),
          strides: target.map((stride, axis) => stride * ((interior[axis] ?? 0) + 1)),
        },
      },
    ]);
  },
  concat: (node, context) => {
    const y = resultOf(node);
    const head = headOf(node) ?? node;
    const readings = node.body && bodyReadings(node, node.body);
    const axis = head.params.axis as number;
    const strides = rowMajorStrides(sizes(y));
    let start = 0;
    const walks = head.inputs.map((x): Walk => {
      const { value, view } = readings ? required(readings, x) : { value: x, view: denseView(x) };
      const first = start * (strides[axis] ?? 0);
      start += view.shape[axis] ?? 0;
      return {
        dims: view.shape,
        from: { place: context.place(value), first: view.offset, strides: view.strides },
        to: { first, strides },
      };
    });
    writeCopies(
      context,
      targetOf(y, context),
      walks.filter(({ dims }) => product(dims) > 0),
    );
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
