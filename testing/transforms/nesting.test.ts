import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import * as ng from "nagare";
import {
  builder,
  concat,
  exp,
  mul,
  reduceSum,
  reshape,
  sin,
  slice,
  type Tensor,
  verifyPasses,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { tensorOf } from "../generator/draw.ts";
import { assertProperty } from "../property.ts";

type ScalarFunction = (x: Tensor) => Tensor;

/** A transform of functions of one number, and how many derivatives it takes. */
interface Layer {
  readonly name: string;
  readonly order: 0 | 1;
  readonly wrap: (f: ScalarFunction) => ScalarFunction;
}

const one = tensorOf([1], [], "float64");
const row = (x: Tensor): Tensor => reshape(x, { shape: [1] });

const layers: readonly Layer[] = [
  { name: "grad", order: 1, wrap: (f) => ng.grad(f) as ScalarFunction },
  { name: "valueAndGrad", order: 1, wrap: (f) => (x) => ng.valueAndGrad(f)(x)[1] as Tensor },
  { name: "jvp", order: 1, wrap: (f) => (x) => ng.jvp(f, [x], [one])[1] },
  { name: "vjp", order: 1, wrap: (f) => (x) => ng.vjp(f, x)[1](one)[0] as Tensor },
  { name: "linearize", order: 1, wrap: (f) => (x) => ng.linearize(f, x)[1](one) },
  { name: "jit", order: 0, wrap: (f) => ng.jit(f) },
  {
    name: "vmap",
    order: 0,
    wrap: (f) => (x) => {
      const both = ng.vmap(f)(concat([row(builder.mul(x, 2)), row(x)], { axis: 0 }));
      return reshape(slice(both, { starts: [1], limits: [2], strides: [1] }), { shape: [] });
    },
  },
];

const f: ScalarFunction = (x) => mul(sin(x), exp(mul(x, 0.5)));

/** The nth derivative of sin(x)·e^(x/2) is the imaginary part of (½ + i)ⁿ · e^((½ + i)x). */
function derivativeOf(x: number, order: number): number {
  let [re, im] = [Math.exp(x / 2) * Math.cos(x), Math.exp(x / 2) * Math.sin(x)];
  for (let i = 0; i < order; i++) [re, im] = [re / 2 - im, im / 2 + re];
  return im;
}

function checkNest(nest: readonly Layer[], x: number): void {
  const nested = nest.reduce((g, layer) => layer.wrap(g), f);
  const order = nest.reduce((sum, layer) => sum + layer.order, 0);
  const actual = nested(tensorOf([x], [], "float64")).item() as number;
  const expected = derivativeOf(x, order);
  const label = nest.map(({ name }) => name).join(" then ");
  assert.ok(
    Math.abs(actual - expected) <= 1e-12 * (1 + Math.abs(expected)),
    `${label}: ${actual}, not ${expected}`,
  );
}

for (const backend of testedBackends) {
  describe(`transforms nest on ${backend}`, () => {
    let verifying = false;
    before(() => {
      verifying = verifyPasses(true);
    });
    after(() => {
      verifyPasses(verifying);
    });

    for (const first of layers) {
      test(`${first.name} inside any two others`, () => {
        onBackend(backend, () => {
          for (const second of layers) for (const third of layers) checkNest([first, second, third], 0.7);
        });
      });
    }

    test("four to six of them in any order", () => {
      const nest = fc.array(fc.constantFrom(...layers), { minLength: 4, maxLength: 6 });
      // Each derivative triples the work at most, so that five are enough.
      const affordable = nest.filter((list) => list.reduce((sum, layer) => sum + layer.order, 0) <= 5);
      assertProperty(
        fc.property(affordable, fc.integer({ min: -12, max: 12 }), (list, eighths) => {
          onBackend(backend, () => checkNest(list, eighths / 8));
        }),
        60,
      );
    });
  });
}

describe("transforms of functions of many", () => {
  const total = (x: Tensor): Tensor => reduceSum(x, { axes: x.shape.map((_, i) => i) });
  const weights = tensorOf([1, -2, 3, 0.5, 2, -1], [3, 2], "float64");
  const examples = tensorOf([1, 2, 0, -1, 0.5, 3, 2, 2, 1, -0.5, 1, 1], [4, 3], "float64");
  const flags = { transposeA: false, transposeB: false };
  const loss = (w: Tensor, x: Tensor): Tensor => total(builder.tanh(builder.matmul(row3(x), w, flags)));
  const row3 = (x: Tensor): Tensor => reshape(x, { shape: [1, 3] });
  const example = (i: number): Tensor =>
    reshape(slice(examples, { starts: [i, 0], limits: [i + 1, 3], strides: [1, 1] }), { shape: [3] });

  function assertEqual(actual: Tensor, expected: Tensor): void {
    assert.deepEqual(actual.shape, expected.shape);
    const wanted = Array.from(expected.dataSync() as Float64Array);
    Array.from(actual.dataSync() as Float64Array).forEach((element, i) => {
      assert.ok(
        Math.abs(element - (wanted[i] ?? Number.NaN)) < 1e-12,
        `element ${i}: ${element}, not ${wanted[i]}`,
      );
    });
  }

  test("per-example gradients: jit of vmap of grad equals a loop of grads, and their sum is the batch's gradient", () => {
    const perExample = ng.jit(ng.vmap(ng.grad(loss), { inAxes: [null, 0] }))(weights, examples) as Tensor;
    assert.deepEqual(perExample.shape, [4, 3, 2]);
    for (let i = 0; i < 4; i++) {
      const own = slice(perExample, { starts: [i, 0, 0], limits: [i + 1, 3, 2], strides: [1, 1, 1] });
      assertEqual(reshape(own, { shape: [3, 2] }), ng.grad(loss)(weights, example(i)) as Tensor);
    }
    const mapped = ng.vmap(loss, { inAxes: [null, 0] });
    const batch = ng.grad((w: Tensor) => total(mapped(w, examples)))(weights) as Tensor;
    assertEqual(reduceSum(perExample, { axes: [0] }), batch);
  });

  test("forward over reverse equals reverse over forward equals reverse over reverse", () => {
    const direction = tensorOf([1, 0.5, -1, 2, 0.25, -2], [3, 2], "float64");
    const at = (w: Tensor): Tensor => loss(w, example(1));
    const gradient = ng.grad(at) as (w: Tensor) => Tensor;
    const [, forwardReverse] = ng.jvp(gradient, [weights], [direction]);
    const reverseForward = ng.grad((w: Tensor) => ng.jvp(at, [w], [direction])[1])(weights) as Tensor;
    const reverseReverse = ng.grad((w: Tensor) => total(mul(gradient(w), direction)))(weights) as Tensor;
    assertEqual(forwardReverse, reverseForward);
    assertEqual(forwardReverse, reverseReverse);
  });

  test("a Hessian by composition is symmetric, compiled or not", () => {
    const at = (w: Tensor): Tensor => loss(reshape(w, { shape: [3, 2] }), example(2));
    const gradient = ng.grad(at) as (w: Tensor) => Tensor;
    const identity = tensorOf(
      Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 1 : 0)),
      [6, 6],
      "float64",
    );
    const hessian = (w: Tensor): Tensor => ng.vmap((v: Tensor) => ng.jvp(gradient, [w], [v])[1])(identity);
    const point = reshape(weights, { shape: [6] });
    const matrix = hessian(point);
    assertEqual(matrix, builder.transpose(matrix, { permutation: [1, 0] }));
    assertEqual(ng.jit(hessian)(point), matrix);
  });

  test("vmap of vmap maps the outer axis of its argument first", () => {
    const outer = ng.vmap(
      ng.vmap((x: Tensor, y: Tensor) => mul(x, y), { inAxes: [0, null] }),
      { inAxes: [null, 0] },
    );
    const [x, y] = [tensorOf([1, 2, 3], [3], "float64"), tensorOf([10, 20], [2], "float64")];
    assert.deepEqual(outer(x, y).toArray(), [
      [10, 20, 30],
      [20, 40, 60],
    ]);
  });

  test("perturbations of different levels are not confused", () => {
    // d/dx (x · d/dy (x + y)) is 1: the inner derivative must not see the outer tangent.
    const inner = (x: Tensor): Tensor => ng.jvp((y: Tensor) => builder.add(x, y), [one], [one])[1];
    const g = (x: Tensor): Tensor => mul(x, inner(x));
    assert.equal(ng.grad(g)(one).item(), 1);
    assert.equal(ng.jvp(g, [one], [one])[1].item(), 1);
    const h = (x: Tensor): Tensor => mul(x, ng.grad((y: Tensor) => mul(x, y))(one) as Tensor);
    assert.equal(
      ng
        .grad(h)(tensorOf([3], [], "float64"))
        .item(),
      6,
    );
  });
});
