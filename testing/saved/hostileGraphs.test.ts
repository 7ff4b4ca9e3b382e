import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as ng from "nagare";
import { type Aval, FormatError, NagareError, type Tensor } from "nagare";
import { formatDim } from "nagare/backend";
import type { Params, Primitive } from "../../packages/nagare/src/ops/index.ts";
import { type Json, type LoadedModel, save } from "../../packages/nagare/src/saved/index.ts";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { firstResult } from "../generator/cases.ts";
import { assertAsyncProperty } from "../property.ts";
import { type GraphFile, loadWith, readGraph, root, type Value } from "./hostileFiles.ts";

/** The places of all values in some JSON. */
function placesIn(value: Json, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null) return [path];
  const children = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  const inner = children.flatMap(([key, child]) => placesIn(child as Json, [...path, key]));
  return path.length > 0 ? [path, ...inner] : inner;
}

/** Puts `value` at a place, if that place is still there. */
function replaceAt(root: unknown, path: readonly (string | number)[], value: Json): void {
  let parent = root;
  for (const key of path.slice(0, -1)) {
    parent =
      typeof parent === "object" && parent !== null
        ? (parent as Record<string | number, unknown>)[key]
        : undefined;
  }
  if (typeof parent === "object" && parent !== null) {
    (parent as Record<string | number, unknown>)[path.at(-1) ?? ""] = structuredClone(value);
  }
}

/** The number of elements of all results that a graph announces: what a call may allocate. */
function elementsOf(graph: GraphFile, batch: number): number {
  const shapes = graph.signatures.serving_default.nodes.flatMap(
    (node) => node.results as { shape: Json[] }[],
  );
  return shapes.reduce((sum, { shape }) => {
    return (
      sum +
      shape.reduce<number>((product, size) => product * (typeof size === "number" ? size : batch * 10), 1)
    );
  }, 0);
}

/** Loads and calls on every backend. Only a FormatError may come out of the one, errors of Nagare's out of the other. */
async function survive(graph: GraphFile, inputs: Readonly<Record<string, Tensor>>): Promise<void> {
  let model: LoadedModel;
  try {
    model = await loadWith(graph);
  } catch (error) {
    assert.ok(error instanceof FormatError, error instanceof Error ? error.stack : String(error));
    return;
  }
  if (!(elementsOf(graph, 2) < 1e6)) return;
  for (const backend of testedBackends) {
    try {
      onBackend(backend, () => model.call(inputs));
    } catch (error) {
      assert.ok(error instanceof NagareError, error instanceof Error ? error.stack : String(error));
    }
  }
}

const anyNumber = fc.constantFrom<Json>(
  -1,
  0,
  1,
  2,
  3,
  7,
  0.5,
  100,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 31),
  1e300,
);
const anyValue: fc.Arbitrary<Json> = fc.oneof(
  anyNumber,
  fc.constantFrom<Json>(
    null,
    true,
    "",
    "batch",
    "2*batch+1",
    "float32",
    "int64",
    "bool",
    "matmul",
    "gather",
    [],
    {},
  ),
  fc.constantFrom<Json>({ $dim: "batch" }, { $bigint: "5" }, { $number: "NaN" }, { $number: "-Infinity" }),
  fc.constantFrom<Json>({ $undefined: true }, { $dim: "batch", $bigint: "5" }),
  fc.array(fc.integer({ min: -3, max: 9 }), { maxLength: 5 }),
  fc.json({ maxDepth: 2 }).map((text) => JSON.parse(text) as Json),
);

describe("whatever is written into a graph, it is refused, or computes, or refuses to; the process goes on", () => {
  test("anywhere", async () => {
    const places = placesIn(readGraph() as unknown as Json);
    const edits = fc.array(fc.tuple(fc.nat(places.length - 1), anyValue), { minLength: 1, maxLength: 3 });
    await assertAsyncProperty(
      fc.asyncProperty(edits, async (list) => {
        const graph = readGraph();
        for (const [index, value] of list) replaceAt(graph, places[index] ?? [], value);
        await survive(graph, { x: ng.ones([2, 6, 6, 1]) });
      }),
      500,
    );
  });

  /** The results that a node's parameters lead to, as an attacker would declare them; undefined when there are none. */
  function resultsOf(
    op: Primitive,
    inputs: readonly Aval[],
    params: Record<string, Json>,
  ): Value[] | undefined {
    try {
      return op.abstract(inputs, params as Params).map((aval) => ({
        dtype: aval.dtype,
        shape: aval.shape.map((size) => (typeof size === "symbol" ? formatDim(size) : size)),
        value: inputs.length,
      }));
    } catch {
      return undefined;
    }
  }

  for (const op of ng.primitives()) {
    test(`into the parameters of ${op.name}`, async () => {
      for (const { inputs: operands, params } of op.samples()) {
        const avals = operands.map(({ shape, dtype }) => ({
          shape,
          dtype: dtype ?? op.dtypes[0] ?? "float32",
        }));
        const specs = Object.fromEntries(avals.map((aval, i) => [`x${i}`, aval]));
        const call = (...xs: Tensor[]) => firstResult({ op, params }, xs);
        await save(call, join(root, op.name), { inputs: specs });
        const text = readFileSync(join(root, op.name, "graph.json"), "utf8");
        const places = placesIn(
          (JSON.parse(text) as GraphFile).signatures.serving_default.nodes[0]?.params ?? {},
        );
        if (places.length === 0) continue;
        const xs = avals.map(({ shape, dtype }) => ng.astype(ng.ones(shape), dtype));
        const edits = fc.array(fc.tuple(fc.nat(places.length - 1), fc.oneof(anyNumber, anyValue)), {
          minLength: 1,
          maxLength: 2,
        });
        await assertAsyncProperty(
          fc.asyncProperty(edits, async (list) => {
            const graph = JSON.parse(text) as GraphFile;
            const { nodes, outputs } = graph.signatures.serving_default;
            const [node] = nodes;
            assert.ok(node);
            for (const [index, value] of list) replaceAt(node.params, places[index] ?? [], value);
            const results = resultsOf(op, avals, node.params);
            if (results) {
              node.results = results.map(({ dtype, shape }) => ({ dtype, shape }));
              outputs.y = results[0] ?? (outputs.y as Value);
            }
            await survive(graph, Object.fromEntries(xs.map((x, i) => [`x${i}`, x])));
          }),
          8,
        );
      }
    });
  }
});
