import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  add,
  exp,
  fuseElementwise,
  type Graph,
  type Node,
  neg,
  printGraph,
  sin,
  Value,
  verifyGraph,
  withParts,
} from "nagare/backend";
import { tensorOf } from "../generator/draw.ts";

const aval = { shape: [2], dtype: "float32" } as const;

/** x ↦ (exp(x) + c, −exp(x)): one input, one constant, three nodes. */
function wellFormed(): Graph {
  const constant = tensorOf([1, 2], [2], "float32");
  return ng.traceGraph([aval], ([x]) => {
    const y = exp(x ?? constant);
    return { outputs: [add(y, constant), neg(y)], result: undefined };
  }).graph;
}

/** A part that a rule is about to break must be there. */
function must<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

function withNode(graph: Graph, index: number, parts: Partial<Node>): Graph {
  return withParts(graph, { nodes: graph.nodes.with(index, { ...must(graph.nodes[index]), ...parts }) });
}

/** Every way to break a graph, and what the verifier says. */
const malformed: readonly (readonly [string, (graph: Graph) => Graph, RegExp])[] = [
  [
    "nodes out of order",
    (graph) => withParts(graph, { nodes: graph.nodes.toReversed() }),
    /node 0 \(neg\) reads a value before it is made/,
  ],
  [
    "a node that reads what nothing makes",
    (graph) => withNode(graph, 2, { inputs: [new Value(aval)] }),
    /node 2 \(neg\) reads a value before it is made/,
  ],
  [
    "a node twice",
    (graph) => withParts(graph, { nodes: [...graph.nodes, must(graph.nodes[0])] }),
    /node 3 \(exp\) defines a value a second time/,
  ],
  [
    "an input twice",
    (graph) => withParts(graph, { inputs: [must(graph.inputs[0]), must(graph.inputs[0])] }),
    /input 1 defines a value a second time/,
  ],
  [
    "a node that makes an input",
    (graph) => withNode(graph, 0, { outputs: [must(graph.inputs[0])] }),
    /node 0 \(exp\) defines a value a second time/,
  ],
  [
    "a constant of another shape than its tensor",
    (graph) => {
      const [value] = graph.constants.keys();
      return withParts(graph, { constants: new Map([[must(value), tensorOf([1, 2, 3], [3], "float32")]]) });
    },
    /a constant of float32\[3\] is declared as float32\[2\]/,
  ],
  [
    "a constant of another dtype than its tensor",
    (graph) => {
      const [value] = graph.constants.keys();
      return withParts(graph, { constants: new Map([[must(value), tensorOf([1, 2], [2], "int32")]]) });
    },
    /a constant of int32\[2\] is declared as float32\[2\]/,
  ],
  [
    "a result of the wrong shape",
    (graph) => withNode(graph, 2, { outputs: [new Value({ shape: [3], dtype: "float32" })] }),
    /node 2 \(neg\) makes float32\[2\] but is declared as float32\[3\]/,
  ],
  [
    "a result of the wrong dtype",
    (graph) => withNode(graph, 2, { outputs: [new Value({ shape: [2], dtype: "float64" })] }),
    /node 2 \(neg\) makes float32\[2\] but is declared as float64\[2\]/,
  ],
  ["a missing result", (graph) => withNode(graph, 2, { outputs: [] }), /node 2 \(neg\) has 0 results, not 1/],
  [
    "an output that nothing makes",
    (graph) => withParts(graph, { outputs: [new Value(aval)] }),
    /an output is never made/,
  ],
  [
    "an alias of different shapes",
    (graph) =>
      withParts(graph, {
        inputs: [new Value({ shape: [7], dtype: "float32" }), must(graph.inputs[0])],
        aliases: [{ output: 0, input: 0 }],
      }),
    /output 0 cannot overwrite input 0/,
  ],
  [
    "an alias of an output that is not there",
    (graph) => withParts(graph, { aliases: [{ output: 5, input: 0 }] }),
    /output 5 cannot overwrite input 0/,
  ],
  [
    "an input overwritten twice",
    (graph) =>
      withParts(graph, {
        aliases: [
          { output: 0, input: 0 },
          { output: 1, input: 0 },
        ],
      }),
    /input 0 is overwritten twice/,
  ],
];

describe("the verifier", () => {
  test("accepts what tracing makes", () => verifyGraph(wellFormed(), "after tracing"));

  for (const [what, breakGraph, message] of malformed) {
    test(`rejects ${what}, and says when and where`, () => {
      assert.throws(
        () => verifyGraph(breakGraph(wellFormed()), "after a broken pass"),
        (error: unknown) => {
          assert.ok(error instanceof ng.NagareError);
          assert.match(error.message, message);
          assert.match(error.message, /not well-formed after a broken pass/);
          assert.match(error.message, /graph\(%/, "the message shows the graph");
          return true;
        },
      );
    });
  }

  test("rejects operands that break an operation's own rule", () => {
    const graph = wellFormed();
    const long = new Value({ shape: [5], dtype: "float32" });
    const broken = withParts(withNode(graph, 1, { inputs: [must(graph.inputs[0]), long] }), {
      inputs: [...graph.inputs, long],
    });
    assert.throws(() => verifyGraph(broken, "after a broken pass"), ng.ShapeError);
  });

  test("looks into fused bodies", () => {
    const { graph } = ng.traceGraph([aval], ([x]) => ({
      outputs: [sin(exp(x ?? tensorOf([], [], "float32")))],
      result: undefined,
    }));
    const fused = fuseElementwise(graph, { maximalNodes: 8, maximalInputs: 8 });
    verifyGraph(fused, "after fusing");
    const body = must(must(fused.nodes[0]).body);
    const reversed = withNode(fused, 0, { body: withParts(body, { nodes: body.nodes.toReversed() }) });
    assert.throws(() => verifyGraph(reversed, "now"), /now, inside node 0 \(fusion\)/);
    const extra = withNode(fused, 0, { inputs: [...must(fused.nodes[0]).inputs, must(fused.inputs[0])] });
    assert.throws(() => verifyGraph(extra, "now"), /differ in their number of values/);
  });

  test("printing a graph that is not well-formed still works", () => {
    for (const [, breakGraph] of malformed) assert.match(printGraph(breakGraph(wellFormed())), /^graph\(/);
  });
});
