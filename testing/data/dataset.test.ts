import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  DTypeError,
  dtypes,
  ShapeError,
  type Tensor,
  ValueError,
} from "../../packages/nagare/src/core/index.ts";
import { Dataset } from "../../packages/nagare/src/data/index.ts";
import { arrays, collect, counting } from "./elements.ts";

describe("Dataset.fromTensors", () => {
  test("examples are the rows of every tensor of the tree", async () => {
    const dataset = Dataset.fromTensors({
      x: counting([3, 2]),
      pair: [counting([3], "int32"), Int32Array.of(7, 8, 9)],
    });
    assert.equal(dataset.size, 3);
    const [, second] = await collect(dataset.iterate());
    assert.deepEqual(second?.x.toArray(), [2, 3]);
    assert.deepEqual(
      second?.pair.map((tensor) => [tensor.shape, tensor.item()]),
      [
        [[], 1],
        [[], 8],
      ],
    );
  });

  for (const dtype of dtypes) {
    test(`batches of ${dtype} hold the rows in order, the last one what is left`, async () => {
      const batches = await collect(
        Dataset.fromTensors(counting([5, 30], dtype))
          .batch(2)
          .iterate(),
      );
      const all = counting([5, 30], dtype).toArray() as unknown[];
      assert.deepEqual(
        batches.map((batch) => batch.toArray()),
        [all.slice(0, 2), all.slice(2, 4), all.slice(4)],
      );
      assert.ok(batches.every((batch) => batch.dtype === dtype));
    });
  }

  test("a batch does not change when the typed array it came from does", async () => {
    const values = Float32Array.of(1, 2);
    const dataset = Dataset.fromTensors(values).batch(2);
    values.fill(0);
    assert.deepEqual(await arrays(dataset), [[1, 2]]);
  });

  const refused: readonly (readonly [string, unknown, new (message: string) => Error, RegExp])[] = [
    ["first axes differ", { x: counting([3, 2]), y: counting([2]) }, ShapeError, /\(y\).*2/],
    ["there is no example", counting([0, 2]), ValueError, /at least one example; received float32\[0, 2\]/],
    ["there is no tensor", {}, ValueError, /at least one tensor/],
    ["a tensor is a scalar", counting([]), ShapeError, /first axis counts the examples/],
    ["a leaf is a number", { x: 3 }, DTypeError, /\(x\).*received 3/],
    ["a leaf is text", ["a"], DTypeError, /\(0\).*received a/],
    ["a leaf is null", null, DTypeError, /received null/],
    ["a typed array has no dtype here", Uint16Array.of(1), DTypeError, /received a Uint16Array/],
  ];
  for (const [name, tree, kind, message] of refused) {
    test(`is refused when ${name}`, () => {
      assert.throws(
        () => Dataset.fromTensors(tree as Tensor),
        (error) => error instanceof kind && message.test(error.message),
      );
    });
  }
});

describe("Dataset.fromIterable and fromGenerator", () => {
  test("numbers, bigints, booleans, typed arrays and tensors are stacked", async () => {
    const elements = [0, 1].map((i) => ({
      number: i,
      flag: i === 1,
      big: BigInt(i),
      row: Float64Array.of(i, i + 0.5),
      tensor: counting([1, 2]),
    }));
    const [batch] = await collect(Dataset.fromIterable(elements).batch(2).iterate());
    assert.ok(batch);
    const described = Object.entries(batch).map(([name, t]) => [name, t.dtype, t.toArray()]);
    assert.deepEqual(described, [
      ["big", "int64", [0n, 1n]],
      ["flag", "bool", [false, true]],
      ["number", "float32", [0, 1]],
      [
        "row",
        "float64",
        [
          [0, 0.5],
          [1, 1.5],
        ],
      ],
      ["tensor", "float32", [[[0, 1]], [[0, 1]]]],
    ]);
  });

  test("the size is known for arrays and sets and where it is given", () => {
    assert.equal(Dataset.fromIterable([1, 2, 3]).size, 3);
    assert.equal(Dataset.fromIterable(new Set([1, 2])).size, 2);
    assert.equal(Dataset.fromGenerator(() => [1]).size, undefined);
    assert.equal(Dataset.fromGenerator(() => [1], { size: 1 }).batch(2).size, 1);
  });

  test("a generator is made anew for each epoch and told its number", async () => {
    const dataset = Dataset.fromGenerator(async function* (epoch) {
      yield epoch;
      yield epoch + 0.5;
    });
    assert.deepEqual(await collect(dataset), [0, 0.5]);
    assert.deepEqual(await collect(dataset), [1, 1.5]);
    assert.deepEqual(await collect(dataset.iterate({ epoch: 7 })), [7, 7.5]);
    assert.deepEqual(await collect(dataset), [2, 2.5]);
  });

  test("empty data is an error, at once where that can be seen", async () => {
    assert.throws(() => Dataset.fromIterable([]), /fromIterable: expected at least one element/);
    for (const dataset of [
      Dataset.fromGenerator(() => []),
      Dataset.fromGenerator(() => [])
        .batch(2)
        .prefetch(),
    ]) {
      await assert.rejects(
        collect<unknown>(dataset),
        (error) => error instanceof ValueError && /the data is empty/.test(error.message),
      );
    }
    const dropped = Dataset.fromGenerator(() => [1, 2]).batch(3, { dropRemainder: true });
    await assert.rejects(collect(dropped), /the data is empty/);
  });

  test("an iterator that can be used only once is refused with the remedy", () => {
    const once = [1, 2].values();
    assert.throws(
      () => Dataset.fromIterable(once),
      (error) => error instanceof ValueError && /fromGenerator/.test(error.message),
    );
  });

  const misfits: readonly (readonly [string, readonly unknown[], new (message: string) => Error, RegExp])[] =
    [
      [
        "shapes",
        [{ x: counting([2]) }, { x: counting([3]) }],
        ShapeError,
        /\(x\).*float32\[2\].*float32\[3\] in example 1/,
      ],
      ["dtypes", [counting([2]), counting([2], "int32")], DTypeError, /int32\[2\] in example 1/],
      ["keys", [{ x: 1 }, { y: 1 }], ValueError, /a record of x in example 1; received a record of y/],
      ["lengths of arrays", [[1, 2], [1]], ValueError, /an array of 2 in example 1/],
      ["kinds", [1, [1]], ValueError, /a tensor or number in example 1/],
      ["kinds within", [{ a: [1] }, { a: [{}] }], ValueError, /\(a\.0\)/],
    ];
  for (const [name, elements, kind, message] of misfits) {
    test(`a batch of different ${name} names the example`, async () => {
      await assert.rejects(
        collect(Dataset.fromIterable(elements).batch(2).iterate()),
        (error) => error instanceof kind && message.test(error.message),
      );
    });
  }

  test("text cannot be batched", async () => {
    await assert.rejects(collect(Dataset.fromIterable(["a"]).batch(1).iterate()), ValueError);
  });
});
