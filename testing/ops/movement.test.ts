import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as ng from "nagare";
import {
  broadcastTo,
  concat,
  concreteShape,
  flip,
  isConcrete,
  pad,
  reshape,
  slice,
  type Tensor,
  transpose,
  verifyPasses,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { tensorOf } from "../generator/draw.ts";
import { assertProperty } from "../property.ts";

/** A tensor as NumPy thinks of it: a shape and the element at each index. */
interface Model {
  readonly shape: readonly number[];
  readonly at: (index: readonly number[]) => number;
}

/** One operation in both worlds. */
interface Step {
  readonly text: string;
  readonly tensor: (x: Tensor) => Tensor;
  readonly model: Model;
}

/** Draws a step that fits the model; numbers come from a list that fast-check shrinks. */
type StepMaker = (model: Model, draw: (below: number) => number) => Step;

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

function unravel(flat: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  for (const size of shape.toReversed()) {
    index.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return index;
}

function ravel(index: readonly number[], shape: readonly number[]): number {
  return index.reduce((flat, i, axis) => flat * (shape[axis] ?? 1) + i, 0);
}

const makers: readonly StepMaker[] = [
  ({ shape, at }, draw) => {
    const sizes: number[] = [];
    let rest = product(shape);
    while (rest > 1 && sizes.length < 3) {
      const divisors = Array.from({ length: rest }, (_, i) => i + 1).filter((d) => rest % d === 0);
      const size = divisors[draw(divisors.length)] ?? 1;
      sizes.push(size);
      rest /= size;
    }
    const to = [...sizes, rest];
    return {
      text: `reshape ${to}`,
      tensor: (x) => reshape(x, { shape: to }),
      model: { shape: to, at: (index) => at(unravel(ravel(index, to), shape)) },
    };
  },
  ({ shape, at }, draw) => {
    const left = shape.map((_, i) => i);
    const permutation = shape.map(() => left.splice(draw(left.length), 1)[0] ?? 0);
    return {
      text: `transpose ${permutation}`,
      tensor: (x) => transpose(x, { permutation }),
      model: {
        shape: permutation.map((axis) => shape[axis] ?? 0),
        at: (index) => at(shape.map((_, axis) => index[permutation.indexOf(axis)] ?? 0)),
      },
    };
  },
  ({ shape, at }, draw) => {
    const starts = shape.map((size) => draw(size + 1));
    const limits = shape.map((size, i) => (starts[i] ?? 0) + draw(size - (starts[i] ?? 0) + 1));
    const strides = shape.map(() => 1 + draw(3));
    const to = shape.map((_, i) => Math.ceil(((limits[i] ?? 0) - (starts[i] ?? 0)) / (strides[i] ?? 1)));
    return {
      text: `slice ${starts} : ${limits} : ${strides}`,
      tensor: (x) => slice(x, { starts, limits, strides }),
      model: {
        shape: to,
        at: (index) => at(index.map((i, axis) => (starts[axis] ?? 0) + i * (strides[axis] ?? 1))),
      },
    };
  },
  ({ shape, at }, draw) => {
    const [low, high, interior] = [
      shape.map(() => draw(3)),
      shape.map(() => draw(3)),
      shape.map(() => draw(3)),
    ];
    const spread = shape.map((size, i) => (size === 0 ? 0 : size + (size - 1) * (interior[i] ?? 0)));
    return {
      text: `pad ${low} / ${high} / ${interior}`,
      tensor: (x) => pad(x, { low, high, interior, value: -7 }),
      model: {
        shape: spread.map((size, i) => size + (low[i] ?? 0) + (high[i] ?? 0)),
        at: (index) => {
          const inner = index.map((i, axis) => (i - (low[axis] ?? 0)) / ((interior[axis] ?? 0) + 1));
          const inside = inner.every((i, axis) => Number.isInteger(i) && i >= 0 && i < (shape[axis] ?? 0));
          return inside ? at(inner) : -7;
        },
      },
    };
  },
  ({ shape, at }, draw) => {
    const axes = shape.map((_, i) => i).filter(() => draw(2) === 1);
    return {
      text: `flip ${axes}`,
      tensor: (x) => flip(x, { axes }),
      model: {
        shape,
        at: (index) => at(index.map((i, axis) => (axes.includes(axis) ? (shape[axis] ?? 0) - 1 - i : i))),
      },
    };
  },
  ({ shape, at }, draw) => {
    const added = shape.length < 4 ? [1 + draw(2)] : [];
    const to = [...added, ...shape.map((size) => (size === 1 ? 1 + draw(3) : size))];
    return {
      text: `broadcastTo ${to}`,
      tensor: (x) => broadcastTo(x, { shape: to }),
      model: {
        shape: to,
        at: (index) => at(index.slice(added.length).map((i, axis) => (shape[axis] === 1 ? 0 : i))),
      },
    };
  },
  ({ shape, at }, draw) => {
    if (shape.length === 0) return { text: "", tensor: (x) => x, model: { shape, at } };
    const axis = draw(shape.length);
    const size = shape[axis] ?? 0;
    return {
      text: `concat with itself reversed on axis ${axis}`,
      tensor: (x) => concat([x, flip(x, { axes: [axis] })], { axis }),
      model: {
        shape: shape.with(axis, 2 * size),
        at: (index) => {
          const i = index[axis] ?? 0;
          return at(index.with(axis, i < size ? i : 2 * size - 1 - i));
        },
      },
    };
  },
];

/** A chain of steps from a start, as long as the tensors stay small. */
const chain = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    fc.array(fc.nat({ max: makers.length - 1 }), { minLength: 1, maxLength: 5 }),
    fc.array(fc.nat({ max: 59 }), { minLength: 60, maxLength: 60 }),
  )
  .map(([start, kinds, numbers]) => {
    const steps: Step[] = [];
    let model: Model = { shape: start, at: (index) => ravel(index, start) };
    let next = 0;
    const draw = (below: number): number => (numbers[next++ % numbers.length] ?? 0) % Math.max(1, below);
    for (const kind of kinds) {
      const step = makers[kind]?.(model, draw);
      if (!step || product(step.model.shape) > 300) continue;
      steps.push(step);
      model = step.model;
    }
    const text = `[${start}] ${steps.map((step) => step.text).join(", ")}`;
    return { start, steps, model, toString: () => text };
  });

for (const backend of testedBackends) {
  describe(`movements on ${backend}`, () => {
    test("chains of movements move elements as index arithmetic says, eagerly and compiled", () => {
      const before = verifyPasses(true);
      assertProperty(
        fc.property(chain, ({ start, steps, model }) => {
          const x = tensorOf(
            Array.from({ length: product(start) }, (_, i) => i),
            start,
            "int32",
          );
          const f = (tensor: Tensor): Tensor => steps.reduce((current, step) => step.tensor(current), tensor);
          const expected = Array.from({ length: product(model.shape) }, (_, i) =>
            model.at(unravel(i, model.shape)),
          );
          onBackend(backend, () => {
            for (const result of [f(x), ng.jit(f)(x)]) {
              assert.ok(isConcrete(result.shape));
              assert.deepEqual([...concreteShape(result.shape)], [...model.shape]);
              assert.deepEqual(Array.from(result.dataSync() as Int32Array), expected);
            }
          });
        }),
        400,
      );
      verifyPasses(before);
    });
  });
}
