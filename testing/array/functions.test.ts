import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { primitives, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";

const named: Readonly<Record<string, unknown>> = ng;

test("every elementwise primitive is a function of ng and a method of tensors", () => {
  // `select` goes by NumPy's name, `where`.
  const elementwise = primitives().filter(({ scalar, name }) => scalar && name !== "select");
  const methods = ng.Tensor.prototype as unknown as Readonly<Record<string, unknown>>;
  for (const { name } of elementwise) {
    assert.equal(typeof named[name], "function", `ng.${name}`);
    assert.equal(typeof methods[name], "function", `tensor.${name}`);
  }
});

test("wrong arguments name the function, what it expects and what came", () => {
  const x = ng.ones([2, 3]);
  const refused: readonly (readonly [() => unknown, RegExp])[] = [
    [() => x.matmul(x), /last axis of a \(\[2, 3\]\).*received 3 and 2.*transpose/],
    [() => x.matmul(2), /vectors or matrices/],
    [() => x.sum({ axis: 2 }), /sum: expected an axis from -2 to 1; received 2/],
    [() => x.sum({ axis: [0, -2] }), /sum: every axis may be named once/],
    [() => x.reshape([4, -1]), /reshape: \[2, 3\] has 6 elements/],
    [() => x.slice(2), /slice: expected an index from -2 to 1 on axis 0 of \[2, 3\]; received 2/],
    [() => x.slice(0, 0, 0), /at most one entry for each axis/],
    [() => x.slice([0, 1.5]), /whole number/],
    [() => x.slice([null, null, 0]), /step other than 0/],
    [() => x.squeeze(0), /axes of size 1/],
    [() => x.split(2, { axis: 1 }), /does not divide into 2/],
    [() => x.take(ng.ones([1]), { axis: 0 }), /int32 or int64; received float32/],
    [() => x.takeAlongAxis(ng.tensor([[0]], { dtype: "int32" }), 1), /takeAlongAxis.*\[1, 1\]/],
    [() => ng.zeros([0]).max(), /no elements to choose from/],
    [() => x.norm({ ord: 3 }), /1, 2 or Infinity/],
    [() => x.clip(), /low or a high bound/],
    [() => x.pad([1]), /one width for each axis/],
    [() => ng.stack([]), /at least one tensor/],
    [() => ng.stack([x, ng.ones([3])]), /equal shapes; received \[2, 3\] and \[3\]/],
    [
      () => ng.conv2d(ng.ones([1, 5, 5, 3]), ng.ones([3, 3, 2, 4])),
      /takes 2 channels; the images \[1, 5, 5, 3\] have 3/,
    ],
    [() => ng.conv2d(ng.ones([1, 2, 5, 3]), ng.ones([3, 3, 3, 4])), /does not fit into a height of 2/],
    [() => ng.maxPool2d(ng.ones([4, 4, 1])), /\[batch, height, width, channels\]; received \[4, 4, 1\]/],
  ];
  for (const [call, message] of refused)
    assert.throws(
      call,
      (error) => error instanceof ng.NagareError && message.test(error.message),
      String(call),
    );
});

/** The gradient of a sum over all results, as nested arrays. */
function gradientAt(f: (x: Tensor) => Tensor, x: Tensor): unknown {
  return ng
    .grad((t: Tensor) => f(t).sum())(x)
    .toArray();
}

for (const backend of testedBackends) {
  describe(`array functions on ${backend}`, () => {
    const fact = (name: string, body: () => void) => test(name, () => onBackend(backend, body));

    fact("softmax, logSoftmax and logSumExp neither overflow nor lose small differences", () => {
      const x = ng.tensor([1000, 1000, -1000]);
      assert.deepEqual(x.softmax().toArray(), [0.5, 0.5, 0]);
      assert.deepEqual(x.logSoftmax().slice(2).item(), Math.fround(-2000 - Math.fround(Math.LN2)));
      const nothing = ng.full([2], Number.NEGATIVE_INFINITY);
      assert.equal(nothing.logSumExp().item(), Number.NEGATIVE_INFINITY);
    });

    fact("means of halves are summed in float32", () => {
      const x = ng.full([4096], 100, { dtype: "float16" });
      assert.deepEqual([x.mean().item(), x.mean().dtype], [100, "float16"]);
    });

    fact("sums of bool count, and any and all over nothing are false and true", () => {
      assert.equal(ng.tensor([true, false, true]).sum().item(), 2);
      const nothing = ng.zeros([0, 2], { dtype: "bool" });
      assert.deepEqual([nothing.any({ axis: 0 }).toArray(), nothing.all().item()], [[false, false], true]);
    });

    fact("integers divide as float32, and mean gives a fraction", () => {
      const x = ng.tensor([1, 2], { dtype: "int32" });
      assert.deepEqual([x.div(2).toArray(), x.div(2).dtype, x.mean().item()], [[0.5, 1], "float32", 1.5]);
    });

    fact("derivatives are finite where formulas are not", () => {
      assert.deepEqual(
        gradientAt((x) => x.norm(), ng.zeros([2])),
        [0, 0],
      );
      assert.deepEqual(gradientAt(ng.softplus, ng.tensor([0, 1000, -1000])), [0.5, 1, 0]);
      assert.deepEqual(gradientAt(ng.elu, ng.tensor([1000])), [1]);
      assert.deepEqual(
        gradientAt((x) => x.prod(), ng.tensor([0, 2, 3])),
        [6, 0, 0],
      );
      assert.deepEqual(
        gradientAt((x) => x.logSumExp(), ng.tensor([Number.NEGATIVE_INFINITY, 1])),
        [0, 1],
      );
    });

    fact("the second derivative of a product holds where elements are 0", () => {
      const gradient = ng.grad((x: Tensor) => x.prod());
      const [, rate] = ng.jvp(gradient, [ng.tensor([0, 0, 3])], [ng.tensor([1, 0, 0])]);
      assert.deepEqual(rate.toArray(), [0, 3, 0]);
    });

    fact("tied maxima share the derivative, the first maximum of a pool takes it all", () => {
      assert.deepEqual(
        gradientAt((x) => x.max(), ng.tensor([3, 1, 3])),
        [0.5, 0, 0.5],
      );
      const image = ng.tensor([5, 5, 1, 5], { shape: [1, 2, 2, 1] });
      assert.deepEqual(
        ng.ravel(ng.grad((x: Tensor) => ng.maxPool2d(x).sum())(image)).toArray(),
        [1, 0, 0, 0],
      );
    });

    fact("no derivative passes through stopGradient", () => {
      assert.equal(
        ng
          .grad((x: Tensor) => x.mul(ng.stopGradient(x)))(ng.tensor(3))
          .item(),
        3,
      );
    });

    fact("an index that is taken twice gets the sum of the derivatives", () => {
      const picks = ng.tensor([2, 0, 2], { dtype: "int32" });
      assert.deepEqual(
        gradientAt((x) => x.take(picks, { axis: 0 }), ng.zeros([3])),
        [1, 0, 2],
      );
      const own = ng.tensor([[1], [-1]], { dtype: "int64" });
      assert.deepEqual(
        gradientAt((x) => x.takeAlongAxis(own, 1), ng.zeros([2, 3])),
        [
          [0, 1, 0],
          [0, 0, 1],
        ],
      );
    });

    fact("an index outside is refused, naming it and the size", () => {
      const picks = ng.tensor([0, 2], { dtype: "int32" });
      assert.throws(
        () => ng.ones([2, 3]).take(picks, { axis: 0 }),
        /from 0 to 1 for an axis of size 2; received 2/,
      );
    });

    fact("a slice of everything and a reshape to the same shape are the tensor itself", () => {
      const x = ng.ones([2, 3]);
      assert.deepEqual(
        [x.slice() === x, x.reshape([2, -1]) === x, x.astype("float32") === x],
        [true, true, true],
      );
    });

    fact("reductions and windows follow a symbolic batch", () => {
      const f = (x: Tensor) => ng.maxPool2d(x, { padding: "same", window: 2 }).mean({ axis: 0 });
      const batch = ng.dim("batch");
      const { graph } = ng.traceGraph([{ shape: [batch, 3, 3, 1], dtype: "float32" }], ([x]) => ({
        outputs: [f(x as Tensor)],
        result: undefined,
      }));
      assert.deepEqual(
        graph.outputs.map(({ shape }) => shape),
        [[2, 2, 1]],
      );
    });
  });
}
