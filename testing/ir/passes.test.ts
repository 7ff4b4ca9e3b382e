import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  type Aval,
  add,
  barrier,
  bindDims,
  broadcastTo,
  dim,
  eliminateCommonSubexpressions,
  eliminateDeadCode,
  equal,
  evaluateReference,
  exp,
  type FuseLimits,
  foldConstants,
  full,
  fuseElementwise,
  type Graph,
  iota,
  matmul,
  mul,
  neg,
  printGraph,
  reduceSum,
  releaseBarriers,
  reshape,
  sin,
  stopGradient,
  sub,
  type Tensor,
  transpose,
  verifyGraph,
} from "nagare/backend";
import { tensorOf } from "../generator/draw.ts";
import { assertRewrites, text, trace } from "./rewrites.ts";

const matrix: Aval = { shape: [2, 3], dtype: "float32" };
const two = tensorOf([2], [], "float32");
const fold = (graph: Graph): Graph => eliminateDeadCode(foldConstants(graph, evaluateReference));
const limits: FuseLimits = { maximalNodes: 64, maximalInputs: 24 };
const fuse = (graph: Graph): Graph => fuseElementwise(graph, limits);

describe("fold", () => {
  test("counts along one axis once, and repeats it where something needs it side by side", () => {
    assertRewrites(
      trace([], () => {
        const rows = iota({ shape: [3, 4], dtype: "int32", axis: 0 });
        return [rows, equal(rows, iota({ shape: [3, 4], dtype: "int32", axis: 1 }))];
      }),
      fold,
      `
      graph() -> (%0, %2)
        %0: int32[3, 4] = iota({ shape: [3, 4], dtype: int32, axis: 0 })
        %1: int32[3, 4] = iota({ shape: [3, 4], dtype: int32, axis: 1 })
        %2: bool[3, 4] = equal(%0, %1)
      `,
      `
      graph() -> (%1, %3)
        %0: int32[3, 1] = iota({ shape: [3, 1], dtype: int32, axis: 0 })
        %1: int32[3, 4] = broadcastTo(%0, { shape: [3, 4] })
        %2: int32[1, 4] = iota({ shape: [1, 4], dtype: int32, axis: 1 })
        %3: bool[3, 4] = equal(%0, %2)
      `,
    );
  });

  test("computes what depends on constants only, and drops multiplications by one", () => {
    assertRewrites(
      trace([matrix], (x) => [add(mul(x, 1), exp(two))]),
      fold,
      `
      graph(%0: float32[2, 3]) -> (%5)
        %1: constant float32[] 1
        %2: constant float32[] 2
        %3: float32[2, 3] = mul(%0, %1)
        %4: float32[] = exp(%2)
        %5: float32[2, 3] = add(%3, %4)
      `,
      `
      graph(%0: float32[2, 3]) -> (%2)
        %1: constant float32[] 7.389056205749512
        %2: float32[2, 3] = add(%0, %1)
      `,
    );
  });

  test("joins reshapes, cancels transpositions, and lets matmul read a transposed factor", () => {
    assertRewrites(
      trace([matrix, matrix], (x, y) => {
        const same = reshape(reshape(y, { shape: [6] }), { shape: [2, 3] });
        const back = transpose(transpose(x, { permutation: [1, 0] }), { permutation: [1, 0] });
        return [
          matmul(back, transpose(same, { permutation: [1, 0] }), { transposeA: false, transposeB: false }),
        ];
      }),
      fold,
      `
      graph(%0: float32[2, 3], %1: float32[2, 3]) -> (%7)
        %2: float32[6] = reshape(%1, { shape: [6] })
        %3: float32[2, 3] = reshape(%2, { shape: [2, 3] })
        %4: float32[3, 2] = transpose(%0, { permutation: [1, 0] })
        %5: float32[2, 3] = transpose(%4, { permutation: [1, 0] })
        %6: float32[3, 2] = transpose(%3, { permutation: [1, 0] })
        %7: float32[2, 2] = matmul(%5, %6, { transposeA: false, transposeB: false })
      `,
      `
      graph(%0: float32[2, 3], %1: float32[2, 3]) -> (%2)
        %2: float32[2, 2] = matmul(%0, %1, { transposeA: false, transposeB: true })
      `,
    );
  });

  test("reads repeated operands from their source, and what is repeated may then be nothing at all", () => {
    assertRewrites(
      trace([matrix, { shape: [3], dtype: "float32" }], (x, bias) => {
        const ones = broadcastTo(full({ shape: [1], dtype: "float32", value: 1 }), { shape: [2, 3] });
        return [mul(add(x, broadcastTo(bias, { shape: [2, 3] })), ones)];
      }),
      fold,
      `
      graph(%0: float32[2, 3], %1: float32[3]) -> (%6)
        %2: float32[1] = full({ shape: [1], dtype: float32, value: 1 })
        %3: float32[2, 3] = broadcastTo(%2, { shape: [2, 3] })
        %4: float32[2, 3] = broadcastTo(%1, { shape: [2, 3] })
        %5: float32[2, 3] = add(%0, %4)
        %6: float32[2, 3] = mul(%5, %3)
      `,
      `
      graph(%0: float32[2, 3], %1: float32[3]) -> (%2)
        %2: float32[2, 3] = add(%0, %1)
      `,
    );
  });

  test("keeps a multiplication by one that changes the shape, and leaves large constants to run time", () => {
    const graph = trace([{ shape: [], dtype: "float32" }], (x) => [
      mul(x, full({ shape: [2], dtype: "float32", value: 1 })),
      exp(broadcastTo(two, { shape: [10_000] })),
    ]);
    assert.equal(
      printGraph(fold(graph)),
      text(`
      graph(%0: float32[]) -> (%3, %5)
        %1: constant float32[] 2
        %2: float32[2] = full({ shape: [2], dtype: float32, value: 1 })
        %3: float32[2] = mul(%0, %2)
        %4: float32[10000] = broadcastTo(%1, { shape: [10000] })
        %5: float32[10000] = exp(%4)
      `),
    );
  });

  test("drops double negations, differences from zero and stopGradient", () => {
    const graph = trace([matrix], (x) => [neg(neg(x)), sub(x, 0), stopGradient(x, {}), sub(0, x)]);
    assert.equal(
      printGraph(fold(graph)),
      text(`
      graph(%0: float32[2, 3]) -> (%0, %0, %0, %1)
        %1: float32[2, 3] = neg(%0)
      `),
    );
  });
});

describe("common subexpressions", () => {
  test("equal operations on equal operands become one, in a chain", () => {
    assertRewrites(
      trace([matrix], (x) => [add(exp(sin(x)), mul(exp(sin(x)), sin(x)))]),
      eliminateCommonSubexpressions,
      `
      graph(%0: float32[2, 3]) -> (%7)
        %1: float32[2, 3] = sin(%0)
        %2: float32[2, 3] = exp(%1)
        %3: float32[2, 3] = sin(%0)
        %4: float32[2, 3] = exp(%3)
        %5: float32[2, 3] = sin(%0)
        %6: float32[2, 3] = mul(%4, %5)
        %7: float32[2, 3] = add(%2, %6)
      `,
      `
      graph(%0: float32[2, 3]) -> (%4)
        %1: float32[2, 3] = sin(%0)
        %2: float32[2, 3] = exp(%1)
        %3: float32[2, 3] = mul(%2, %1)
        %4: float32[2, 3] = add(%2, %3)
      `,
    );
  });

  test("different parameters, −0 beside 0 and different orders of operands stay apart", () => {
    const zero = (value: number) => full({ shape: [], dtype: "float32", value });
    const graph = trace([matrix, matrix], (x, y) => [
      reduceSum(x, { axes: [0] }),
      reduceSum(x, { axes: [1] }),
      sub(x, y),
      sub(y, x),
      zero(0),
      zero(-0),
    ]);
    assert.equal(eliminateCommonSubexpressions(graph).nodes.length, 6);
  });
});

describe("dead code", () => {
  test("what no output depends on goes, with its constants; inputs stay", () => {
    assertRewrites(
      trace([matrix, matrix], (x) => {
        exp(mul(x, 5));
        return [sin(x)];
      }),
      eliminateDeadCode,
      `
      graph(%0: float32[2, 3], %1: float32[2, 3]) -> (%5)
        %2: constant float32[] 5
        %3: float32[2, 3] = mul(%0, %2)
        %4: float32[2, 3] = exp(%3)
        %5: float32[2, 3] = sin(%0)
      `,
      `
      graph(%0: float32[2, 3], %1: float32[2, 3]) -> (%2)
        %2: float32[2, 3] = sin(%0)
      `,
    );
  });
});

describe("fuse", () => {
  test("elementwise chains become one pass that keeps only what others read", () => {
    assertRewrites(
      trace([matrix, matrix], (x, y) => {
        const a = exp(x);
        return [mul(add(a, y), 2), reduceSum(a, { axes: [1] })];
      }),
      fuse,
      `
      graph(%0: float32[2, 3], %1: float32[2, 3]) -> (%5, %6)
        %2: constant float32[] 2
        %3: float32[2, 3] = exp(%0)
        %4: float32[2, 3] = add(%3, %1)
        %5: float32[2, 3] = mul(%4, %2)
        %6: float32[2] = reduceSum(%3, { axes: [1] })
      `,
      `
      graph(%0: float32[2, 3], %1: float32[2, 3]) -> (%4, %11)
        %2: constant float32[] 2
        %3: float32[2, 3], %4: float32[2, 3] = fusion(%0, %1)
          graph(%5: float32[2, 3], %6: float32[2, 3]) -> (%8, %10)
            %7: constant float32[] 2
            %8: float32[2, 3] = exp(%5)
            %9: float32[2, 3] = add(%8, %6)
            %10: float32[2, 3] = mul(%9, %7)
        %11: float32[2] = reduceSum(%3, { axes: [1] })
      `,
    );
  });

  test("a group never waits for itself through an operation outside of it", () => {
    const graph = trace([matrix], (x) => {
      const a = exp(x);
      const total = broadcastTo(reshape(reduceSum(a, { axes: [1] }), { shape: [2, 1] }), { shape: [2, 3] });
      return [add(mul(a, 2), total), neg(total)];
    });
    const fused = fuse(graph);
    verifyGraph(fused, "after fusing");
    const names = fused.nodes.map(({ op }) => op.name);
    assert.deepEqual(names, ["fusion", "reduceSum", "reshape", "broadcastTo", "add", "neg"]);
  });

  test("shapes that differ are different passes, and a lone operation stays itself", () => {
    const graph = trace([matrix, { shape: [3], dtype: "float32" }], (x, y) => [add(exp(x), sin(y))]);
    assert.deepEqual(
      fuse(graph).nodes.map(({ op }) => op.name),
      ["sin", "fusion"],
    );
  });

  test("no pass grows beyond its limits", () => {
    const graph = trace([matrix], (x) => {
      let y = x;
      for (let i = 0; i < 20; i++) y = sin(y);
      return [y];
    });
    const fused = fuseElementwise(graph, { maximalNodes: 8, maximalInputs: 24 });
    verifyGraph(fused, "after fusing");
    assert.deepEqual(
      fused.nodes.map(({ body }) => body?.nodes.length),
      [8, 8, 4],
    );
    const wide = trace(new Array<Aval>(9).fill(matrix), (...xs) => [xs.reduce((a, b) => add(a, b))]);
    const narrow = fuseElementwise(wide, { maximalNodes: 64, maximalInputs: 4 });
    verifyGraph(narrow, "after fusing");
    for (const { inputs } of narrow.nodes) assert.ok(inputs.length <= 4);
  });
});

describe("barriers", () => {
  test("keep equal computations apart, and are gone when that is settled", () => {
    const graph = trace([matrix], (x) => [sin(x as Tensor), sin(barrier(x as Tensor, {}))]);
    assertRewrites(
      eliminateCommonSubexpressions(graph),
      releaseBarriers,
      `
      graph(%0: float32[2, 3]) -> (%1, %3)
        %1: float32[2, 3] = sin(%0)
        %2: float32[2, 3] = barrier(%0)
        %3: float32[2, 3] = sin(%2)
      `,
      `
      graph(%0: float32[2, 3]) -> (%1, %2)
        %1: float32[2, 3] = sin(%0)
        %2: float32[2, 3] = sin(%0)
      `,
    );
  });
});

describe("symbolic dimensions", () => {
  test("binding puts numbers into shapes and parameters, inside fused bodies too", () => {
    const batch = dim("batch");
    const graph = trace([{ shape: [batch, 3], dtype: "float32" }], (x) => {
      const ones = full({ shape: [batch, 3], dtype: "float32", value: 2 });
      return [reshape(exp(sin(mul(x, ones))), { shape: [batch, 3, 1] })];
    });
    const bound = bindDims(fuse(graph), new Map([["batch", 5]]));
    verifyGraph(bound, "after binding");
    assert.equal(
      printGraph(bound),
      text(`
      graph(%0: float32[5, 3]) -> (%8)
        %1: float32[5, 3] = full({ shape: [5, 3], dtype: float32, value: 2 })
        %2: float32[5, 3] = fusion(%0, %1)
          graph(%3: float32[5, 3], %4: float32[5, 3]) -> (%7)
            %5: float32[5, 3] = mul(%3, %4)
            %6: float32[5, 3] = sin(%5)
            %7: float32[5, 3] = exp(%6)
        %8: float32[5, 3, 1] = reshape(%2, { shape: [5, 3, 1] })
      `),
    );
  });
});

describe("printGraph", () => {
  test("prints after the pass that is asked for, or after all", () => {
    const f = (x: Tensor): Tensor => add(sin(x), mul(sin(x), 1));
    const x = tensorOf([1, 2], [2], "float32");
    const count = (printed: string): number => printed.match(/ = /g)?.length ?? 0;
    assert.equal(count(ng.printGraph(f, { after: "trace" })(x)), 4);
    assert.equal(count(ng.printGraph(f, { after: "cse" })(x)), 2);
    assert.match(ng.printGraph(f)(x), /fusion\(%0\)/);
  });
});
