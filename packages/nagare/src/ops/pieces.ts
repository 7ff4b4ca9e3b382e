/** Operations that take tensors apart and put them together: slices, padding, joining. All are linear. */
import {
  addDims,
  bytesOf,
  type Dim,
  floorDivDim,
  formatShape,
  mulDims,
  normalizeAxis,
  rowMajorStrides,
  type Shape,
  ShapeError,
  sameShape,
  subDims,
} from "../core/index.ts";
import { broadcastMapped, convertElement, type ListOp, listOp, type Op1, op1 } from "./define/index.ts";
import { linear, sampled, strided } from "./strided.ts";

type Family = typeof import("./pieces.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/**
 * Elements `starts[i]`, `starts[i] + strides[i]` … below `limits[i]` along each axis. A limit may be symbolic.
 * Starts and limits count from the front; strides are positive.
 */
export const slice: Op1<{ starts: readonly number[]; limits: Shape; strides: readonly number[] }> = op1(
  "slice",
  {
    dtypes: "any",
    abstract: ([x], { starts, limits, strides }) => {
      const rank = x.shape.length;
      const shape = x.shape.map((size, i): Dim => {
        const [start, limit, stride] = [starts[i], limits[i], strides[i]];
        const valid =
          start !== undefined &&
          limit !== undefined &&
          stride !== undefined &&
          stride >= 1 &&
          start >= 0 &&
          (typeof limit === "number" && typeof size === "number"
            ? start <= limit && limit <= size
            : limit === size || typeof limit === "number");
        if (!valid || starts.length !== rank || limits.length !== rank || strides.length !== rank) {
          throw new ShapeError(
            `slice: expected 0 ≤ start ≤ limit ≤ size and stride ≥ 1 on every axis of ${formatShape(x.shape)}; received starts ` +
              `[${starts.join(", ")}], limits ${formatShape(limits)}, strides [${strides.join(", ")}].`,
          );
        }
        return floorDivDim(addDims(subDims(limit, start), stride - 1), stride);
      });
      return { shape, dtype: x.dtype };
    },
    linear,
    transpose: (o, ct, _, { starts, strides }, operand) => {
      const interior = strides.map((stride) => stride - 1);
      const high = operand.shape.map((size, i) => {
        const [start, stride, taken] = [starts[i] ?? 0, strides[i] ?? 1, ct.shape[i] ?? 0];
        if (taken === 0) return subDims(size, start);
        return subDims(size, addDims(start, addDims(mulDims(subDims(taken, 1), stride), 1)));
      });
      return o.pad(ct, { low: starts, high, interior, value: 0 });
    },
    batch: (o, [x], _, { starts, limits, strides }, size) =>
      o.slice(x, { starts: [0, ...starts], limits: [size, ...limits], strides: [1, ...strides] }),
    cost: (_inputs, _params, y) => ({ bytes: 2 * bytesOf(y) }),
    reference: ([x], { starts, strides }, { shape }) => {
      const own = rowMajorStrides(x.shape);
      const offset = own.reduce((sum, stride, i) => sum + stride * (starts[i] ?? 0), 0);
      return strided(
        x.data,
        shape,
        own.map((stride, i) => stride * (strides[i] ?? 1)),
        offset,
      );
    },
    samples: () => [
      { inputs: [{ shape: [5], ...sampled }], params: { starts: [1], limits: [4], strides: [1] } },
      {
        inputs: [{ shape: [4, 6], ...sampled }],
        params: { starts: [0, 1], limits: [4, 6], strides: [2, 2] },
      },
      {
        inputs: [{ shape: [3, 7], ...sampled }],
        params: { starts: [1, 0], limits: [1, 7], strides: [1, 3] },
      },
    ],
  },
);

/** Puts `value` around the elements (`low`, `high`) and `interior` times between neighbours along each axis. */
export const pad: Op1<{ low: readonly number[]; high: Shape; interior: readonly number[]; value: number }> =
  op1("pad", {
    dtypes: "any",
    abstract: ([x], { low, high, interior }) => {
      const rank = x.shape.length;
      const valid =
        low.length === rank &&
        high.length === rank &&
        interior.length === rank &&
        [...low, ...interior].every((n) => Number.isInteger(n) && n >= 0) &&
        high.every((n) => typeof n === "symbol" || n >= 0);
      if (!valid) {
        throw new ShapeError(
          `pad: expected one low, high and interior count from 0 up for each axis of ${formatShape(x.shape)}; received low ` +
            `[${low.join(", ")}], high ${formatShape(high)}, interior [${interior.join(", ")}].`,
        );
      }
      const shape = x.shape.map((size, i) => {
        const spread = size === 0 ? 0 : addDims(size, mulDims(subDims(size, 1), interior[i] ?? 0));
        return addDims(addDims(low[i] ?? 0, spread), high[i] ?? 0);
      });
      return { shape, dtype: x.dtype };
    },
    jvp: (o, _, [dx], params) => o.pad(dx, { ...params, value: 0 }),
    linear,
    transpose: (o, ct, _, { low, high, interior }) => {
      const limits = ct.shape.map((size, i) => subDims(size, high[i] ?? 0));
      return o.slice(ct, { starts: low, limits, strides: interior.map((n) => n + 1) });
    },
    batch: (o, [x], _, { low, high, interior, value }) =>
      o.pad(x, { low: [0, ...low], high: [0, ...high], interior: [0, ...interior], value }),
    reference: ([x], { low, interior, value }, { shape }) => {
      const result = new Array<number | bigint>(shape.reduce((a, b) => a * b, 1)).fill(
        convertElement(value, "float64", x.dtype),
      );
      const own = rowMajorStrides(x.shape);
      const target = rowMajorStrides(shape);
      for (let i = 0; i < x.data.length; i++) {
        let at = 0;
        own.forEach((stride, axis) => {
          const index = Math.floor(i / stride) % (x.shape[axis] ?? 1);
          at += ((low[axis] ?? 0) + index * ((interior[axis] ?? 0) + 1)) * (target[axis] ?? 0);
        });
        result[at] = x.data[i] ?? 0;
      }
      return result;
    },
    samples: () => [
      { inputs: [{ shape: [3], ...sampled }], params: { low: [1], high: [2], interior: [0], value: 0 } },
      {
        inputs: [{ shape: [2, 3], ...sampled }],
        params: { low: [0, 1], high: [1, 0], interior: [2, 1], value: 1 },
      },
      {
        inputs: [{ shape: [0, 2], ...sampled }],
        params: { low: [1, 0], high: [1, 0], interior: [1, 0], value: 3 },
      },
    ],
  });

/** Joins tensors along an existing axis; the other sizes are equal. */
export const concat: ListOp<{ axis: number }> = listOp("concat", {
  dtypes: "any",
  abstract: (inputs, { axis }) => {
    const [first] = inputs;
    if (!first) throw new ShapeError("concat: expected at least one tensor; received none.");
    if (normalizeAxis(axis, first.shape.length, "concat") !== axis) {
      throw new ShapeError(`concat: expected an axis from 0 up; received ${axis}.`);
    }
    let size: Dim = 0;
    for (const input of inputs) {
      const same =
        input.dtype === first.dtype && sameShape(input.shape.with(axis, 0), first.shape.with(axis, 0));
      if (input.shape.length !== first.shape.length || !same) {
        throw new ShapeError(
          `concat: expected equal dtypes and, except on axis ${axis}, equal sizes; received ` +
            `${inputs.map((x) => x.dtype + formatShape(x.shape)).join(", ")}.`,
        );
      }
      size = addDims(size, input.shape[axis] ?? 0);
    }
    return { shape: first.shape.with(axis, size), dtype: first.dtype };
  },
  linear: { kind: "joint", operands: "all" },
  transpose: (o, ct, _, { axis }, __, index, operands) => {
    const sizes = operands.map((operand) => operand.shape[axis] ?? 0);
    const start = sizes.slice(0, index).reduce<Dim>(addDims, 0);
    if (typeof start === "symbol") {
      throw new ShapeError(
        `concat: the gradient needs the sizes before operand ${index} on axis ${axis} to be numbers.`,
      );
    }
    return o.slice(ct, {
      starts: ct.shape.map((_, i) => (i === axis ? start : 0)),
      limits: ct.shape.with(axis, addDims(start, sizes[index] ?? 0)),
      strides: ct.shape.map(() => 1),
    });
  },
  batch: (o, inputs, mapped, { axis }, size) =>
    o.concat(
      inputs.map((x, i) => broadcastMapped(o, x, mapped[i] ?? false, size)),
      { axis: axis + 1 },
    ),
  reference: (inputs, { axis }, { shape }) => {
    const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
    const result: (number | bigint)[] = [];
    for (let i = 0; i < outer; i++) {
      for (const { data } of inputs) {
        const row = data.length / outer;
        for (let j = 0; j < row; j++) result.push(data[i * row + j] ?? 0);
      }
    }
    return result;
  },
  samples: () => [
    {
      inputs: [
        { shape: [2], ...sampled },
        { shape: [3], ...sampled },
      ],
      params: { axis: 0 },
    },
    {
      inputs: [
        { shape: [2, 1], ...sampled },
        { shape: [2, 3], ...sampled },
        { shape: [2, 0], ...sampled },
      ],
      params: { axis: 1 },
    },
    {
      inputs: [
        { shape: [1, 2], ...sampled },
        { shape: [2, 2], ...sampled },
      ],
      params: { axis: 0 },
    },
  ],
});
