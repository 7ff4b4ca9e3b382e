import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as ng from "nagare";
import {
  bytesPerElement,
  concreteSize,
  conv2d,
  full,
  type Graph,
  type MemoryPlan,
  matmul,
  maxPool2d,
  mul,
  type Node,
  optimize,
  planMemory,
  reduceSum,
  relu,
  reshape,
  square,
  sub,
  type Tensor,
  transpose,
  type Value,
} from "nagare/backend";
import { assertProperty } from "../property.ts";
import { randomProgram } from "./randomProgram.ts";

function bytesOf(value: Value): number {
  return concreteSize(value.shape) * bytesPerElement(value.dtype);
}

/** Which intermediate values a backend would place: all that nodes make, except outputs. */
function isPlaced(graph: Graph): (value: Value) => boolean {
  const outputs = new Set(graph.outputs);
  return (value) => !outputs.has(value);
}

/** A reshape shares its operand's memory, when that is in the arena. */
function viewIn(graph: Graph): (node: Node) => Value | undefined {
  const made = new Set(graph.nodes.flatMap((node) => node.outputs));
  const placed = isPlaced(graph);
  return (node) => {
    const [source] = node.inputs;
    return node.op.name === "reshape" && source && made.has(source) && placed(source) ? source : undefined;
  };
}

/** From the node that makes each placed value to the last that reads it, through views. */
function lifetimes(graph: Graph, viewOf: (node: Node) => Value | undefined, plan: MemoryPlan) {
  const root = new Map<Value, Value>();
  const life = new Map<Value, { first: number; last: number }>();
  graph.nodes.forEach((node, time) => {
    for (const input of node.inputs) {
      const own = life.get(root.get(input) ?? input);
      if (own) own.last = time;
    }
    const viewed = viewOf(node);
    for (const output of node.outputs) {
      if (viewed) root.set(output, root.get(viewed) ?? viewed);
      else if (plan.offsets.has(output)) life.set(output, { first: time, last: time });
    }
  });
  for (const output of graph.outputs) {
    const own = life.get(root.get(output) ?? output);
    if (own) own.last = graph.nodes.length;
  }
  return life;
}

function checkPlan(graph: Graph): MemoryPlan {
  const viewOf = viewIn(graph);
  const plan = planMemory(graph, isPlaced(graph), viewOf);
  const blocks = [...lifetimes(graph, viewOf, plan)].map(([value, life]) => {
    const offset = plan.offsets.get(value) ?? Number.NaN;
    return { ...life, offset, end: offset + bytesOf(value) };
  });
  for (const block of blocks) {
    assert.equal(block.offset % 64, 0, "blocks start at cache lines");
    assert.ok(block.end <= plan.arenaBytes, "blocks lie in the arena");
  }
  blocks.forEach((a, i) => {
    for (const b of blocks.slice(i + 1)) {
      const together = a.first <= b.last && b.first <= a.last;
      const apart = a.end <= b.offset || b.end <= a.offset;
      assert.ok(!together || apart, `two live blocks overlap: ${JSON.stringify([a, b])}`);
    }
  });
  for (let time = 0; time <= graph.nodes.length; time++) {
    const alive = blocks.filter(({ first, last }) => first <= time && time <= last);
    const bytes = alive.reduce((sum, { offset, end }) => sum + end - offset, 0);
    assert.ok(bytes <= plan.lowerBoundBytes, "the lower bound counts everything that is alive at once");
  }
  assert.ok(plan.arenaBytes >= plan.lowerBoundBytes, "no arena is smaller than its lower bound");
  return plan;
}

function graphOf(f: (...xs: Tensor[]) => readonly Tensor[], shapes: readonly (readonly number[])[]): Graph {
  const avals = shapes.map((shape) => ({ shape, dtype: "float32" as const }));
  return optimize(ng.traceGraph(avals, (xs) => ({ outputs: f(...xs), result: undefined })).graph);
}

const flags = { transposeA: false, transposeB: false };
const gradientsOf = (loss: (...xs: Tensor[]) => Tensor, count: number) =>
  ng.grad(loss, { argnums: Array.from({ length: count }, (_, i) => i) }) as unknown as (
    ...xs: Tensor[]
  ) => Tensor[];
const total = (x: Tensor): Tensor => reduceSum(x, { axes: x.shape.map((_, i) => i) });
const convolution = { strides: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;
const pool = { window: [2, 2], strides: [2, 2], padding: [0, 0, 0, 0] } as const;

/** The shapes of real training steps: a perceptron of three layers, and a convolutional network. */
const samples: readonly (readonly [string, Graph])[] = [
  [
    "a perceptron's gradients",
    graphOf(
      gradientsOf((x, a, b, c) => {
        const hidden = relu(matmul(relu(matmul(x, a, flags)), b, flags));
        return total(square(matmul(hidden, c, flags)));
      }, 4),
      [
        [32, 64],
        [64, 128],
        [128, 128],
        [128, 10],
      ],
    ),
  ],
  [
    "a convolutional network's gradients",
    graphOf(
      gradientsOf((x, a, b, c) => {
        const first = maxPool2d(relu(conv2d(x, a, convolution)), pool);
        const second = maxPool2d(relu(conv2d(first, b, convolution)), pool);
        return total(square(matmul(reshape(second, { shape: [8, 7 * 7 * 16] }), c, flags)));
      }, 4),
      [
        [8, 28, 28, 1],
        [3, 3, 1, 8],
        [3, 3, 8, 16],
        [784, 10],
      ],
    ),
  ],
  [
    "a chain of products",
    graphOf(
      (x, w) => {
        let y = x;
        for (let i = 0; i < 12; i++)
          y = sub(matmul(y, i % 2 ? w : transpose(w, { permutation: [1, 0] }), flags), mul(y, 0.5));
        return [y];
      },
      [
        [16, 48],
        [48, 48],
      ],
    ),
  ],
];

describe("the memory plan", () => {
  test("no two blocks that live at once overlap, on random graphs", () => {
    ng.setBackend("reference");
    assertProperty(
      fc.property(randomProgram, ({ f, inputs }) => {
        const { graph } = ng.traceGraph(inputs, (xs) => ({ outputs: f(...xs), result: undefined }));
        checkPlan(graph);
        checkPlan(optimize(graph));
      }),
      300,
    );
  });

  for (const [name, graph] of samples) {
    test(`the arena of ${name} is within 10 % of its lower bound`, () => {
      const plan = checkPlan(graph);
      assert.ok(plan.lowerBoundBytes > 0);
      assert.ok(
        plan.arenaBytes <= 1.1 * plan.lowerBoundBytes,
        `${plan.arenaBytes} bytes, of which at most ${plan.lowerBoundBytes} are alive at once`,
      );
    });
  }

  test("memory is used again: a long chain needs two blocks, not one for each step", () => {
    const graph = graphOf(
      (x) => {
        let y = x;
        for (let i = 0; i < 50; i++) y = transpose(mul(y, 1.01), { permutation: [1, 0] });
        return [y];
      },
      [[32, 32]],
    );
    assert.ok(checkPlan(graph).arenaBytes <= 2 * 32 * 32 * 4);
  });

  test("a graph without intermediate values needs no arena", () => {
    assert.equal(checkPlan(graphOf((x) => [mul(x, 2)], [[8]])).arenaBytes, 0);
    assert.equal(
      checkPlan(graphOf(() => [full({ shape: [3], dtype: "float32", value: 1 })], [])).arenaBytes,
      0,
    );
  });

  test("a view keeps the memory of its source alive", () => {
    const { graph } = ng.traceGraph([{ shape: [16], dtype: "float32" }], ([x]) => {
      const a = mul(x ?? 0, 2);
      const view = reshape(a, { shape: [4, 4] });
      const others = [mul(a, 3), mul(a, 4)].map((other) => square(other));
      return { outputs: [...others, transpose(view, { permutation: [1, 0] })], result: undefined };
    });
    checkPlan(graph);
  });
});
