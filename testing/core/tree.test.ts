import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  ConcreteTensor,
  CpuStorage,
  checkSameStructure,
  flatten,
  flattenLike,
  type Leaf,
  mapTree,
  treeChildren,
  treeKey,
  unflatten,
  ValueError,
} from "nagare/backend";
import { assertProperty } from "../property.ts";

const tensor = fc
  .array(fc.float({ noNaN: true }), { maxLength: 3 })
  .map((values) => new ConcreteTensor([values.length], "float32", new CpuStorage(Float32Array.from(values))));
const leaf = fc.oneof(tensor, fc.double(), fc.bigInt(), fc.boolean());
const still = fc.oneof(fc.string(), fc.constant(null), fc.constant(undefined));
const key = fc.oneof(fc.string(), fc.constantFrom("b", "a", "10", "9", "__proto__", "constructor"));

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    still,
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(key, tie("tree"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

describe("trees", () => {
  test("unflattening what was flattened gives the same tree", () => {
    assertProperty(
      fc.property(tree, (original) => {
        const { leaves, def } = flatten(original);
        assert.deepEqual(unflatten(def, leaves), original);
      }),
      500,
    );
  });

  test("flattening what was unflattened gives the same leaves and structure", () => {
    assertProperty(
      fc.property(tree, (original) => {
        const { leaves, def } = flatten(original);
        const others = leaves.map((_, i) => i + 0.5);
        const again = flatten(unflatten(def, others));
        assert.deepEqual(again.leaves, others);
        assert.equal(treeKey(again.def), treeKey(def));
      }),
      300,
    );
  });

  test("flattening like another tree finds its leaves where the structure is the same, and only there", () => {
    // Leaves differ from tree to tree here, so that structures are often the same.
    const shape = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.constantFrom("relu", null, undefined),
        fc.array(tie("tree"), { maxLength: 2 }),
        fc.dictionary(fc.constantFrom("a", "b", "__proto__"), tie("tree"), {
          maxKeys: 2,
          noNullPrototype: true,
        }),
      ),
    })).tree;
    const met = new Set<boolean>();
    assertProperty(
      fc.property(shape, shape, (one, other) => {
        const [{ def }, expected] = [flatten(one), flatten(other)];
        const isSame = treeKey(def) === treeKey(expected.def);
        const leaves: Leaf[] = [];
        assert.equal(flattenLike(def, other, leaves), isSame);
        if (isSame) assert.deepEqual(leaves, expected.leaves);
        met.add(isSame);
      }),
      2000,
    );
    assert.equal(met.size, 2);
  });

  test("an object is flattened like itself, with the children it has now", () => {
    let children: Record<string, unknown> = { w: 1, b: 2 };
    const node = { [treeChildren]: () => children };
    const { def } = flatten([node]);
    const leaves: Leaf[] = [];
    children = { w: 3, b: 4 };
    assert.equal(flattenLike(def, [node], leaves), true);
    assert.deepEqual(leaves, [3, 4]);
    assert.equal(flattenLike(def, [{ ...node }], []), false);
    children = { w: 3 };
    assert.equal(flattenLike(def, [node], []), false);
  });

  test("records flatten by sorted key, whatever the order of writing", () => {
    const { leaves, def } = flatten({ b: 1, a: [2, { d: 3, c: 4 }] });
    assert.deepEqual(leaves, [2, 4, 3, 1]);
    assert.equal(treeKey(def), treeKey(flatten({ a: [0, { c: 0, d: 0 }], b: 0 }).def));
  });

  test("mapTree changes leaves and keeps the rest", () => {
    assertProperty(
      fc.property(tree, (original) => {
        let count = 0;
        const mapped = mapTree(original, () => ++count);
        assert.equal(count, flatten(original).leaves.length);
        assert.deepEqual(
          mapTree(mapped, () => 0),
          mapTree(original, () => 0),
        );
      }),
    );
  });

  test("keys differ for different structures", () => {
    const structures: unknown[] = [
      0,
      [],
      [0],
      [[0]],
      {},
      { a: 0 },
      { b: 0 },
      "a",
      "b",
      null,
      undefined,
      [0, 0],
      { a: "0" },
      '{"a":*}',
    ];
    const keys = structures.map((structure) => treeKey(flatten(structure).def));
    assert.equal(new Set(keys).size, structures.length);
  });

  test("the leaves of an object are those it names, and its identity is its structure", () => {
    class Pair {
      readonly left = 1;
      readonly right = 2;
      [treeChildren]() {
        return { left: this.left, right: this.right };
      }
    }
    const [one, other] = [new Pair(), new Pair()];
    const { leaves, def } = flatten([one, 3]);
    assert.deepEqual(leaves, [1, 2, 3]);
    assert.deepEqual(unflatten(def, [4, 5, 6]), [{ left: 4, right: 5 }, 6]);
    assert.notEqual(treeKey(flatten(one).def), treeKey(flatten(other).def));
    assert.equal(treeKey(flatten(one).def), treeKey(flatten(one).def));
  });

  test("kept objects stand in the tree, and the leaves behind them still find their places", () => {
    const object = { [treeChildren]: () => ({ w: 1 }) };
    const { def } = flatten([object, 2]);
    assert.deepEqual(unflatten(def, [10, 20], { keepObjects: true }), [object, 20]);
  });

  test("too many leaves are an error with both numbers", () => {
    const { def } = flatten([1, 2]);
    assert.throws(
      () => unflatten(def, [1, 2, 3]),
      (error: unknown) => {
        return error instanceof ValueError && /2 leaves; received 3/.test(error.message);
      },
    );
  });

  test("different structures are refused, with both of them", () => {
    assert.throws(
      () => checkSameStructure(flatten([1]).def, flatten({ a: 1 }).def, "jvp"),
      (error: unknown) =>
        error instanceof ValueError &&
        /jvp: expected the structure \[\*\]; received \{"a":\*\}/.test(error.message),
    );
  });
});
