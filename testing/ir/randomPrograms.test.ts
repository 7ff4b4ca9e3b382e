import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import * as ng from "nagare";
import {
  ConcreteTensor,
  currentBackend,
  formatAval,
  type Graph,
  loadBackend,
  optionalPasses,
  passes,
  printGraph,
  type Tensor,
  verifyGraph,
  verifyPasses,
  withoutPasses,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertProperty } from "../property.ts";
import { type RandomProgram, randomProgram } from "./randomProgram.ts";

/** Compiled code may fuse a multiplication and an addition into one rounding. */
const tolerance = { kind: "relative", roundings: 64 } as const;

function traced({ f, inputs }: RandomProgram): Graph {
  return ng.traceGraph(inputs, (xs) => ({ outputs: f(...xs), result: undefined })).graph;
}

/** Runs a graph as it is on the reference backend, whose outputs may be its inputs and constants. */
function evaluate(graph: Graph, inputs: readonly Tensor[]): Tensor[] {
  const storages = loadBackend("reference")
    .compile(graph)
    .run(
      inputs.map((input) => input.readStorage()),
      [],
    );
  return graph.outputs.map((output, i) => {
    const storage = storages[i];
    assert.ok(storage);
    return new ConcreteTensor(output.shape, output.dtype, storage);
  });
}

function assertSameResults(actual: readonly Tensor[], expected: readonly Tensor[], label: string): void {
  assert.deepEqual(actual.map(formatAval), expected.map(formatAval), label);
  expected.forEach((wanted, i) => {
    assertClose(actual[i] ?? wanted, wanted, tolerance, label);
  });
}

describe("random programs", () => {
  let verifying = false;
  before(() => {
    verifying = verifyPasses(true);
  });
  after(() => {
    verifyPasses(verifying);
  });

  test("every prefix of the passes makes a well-formed graph of the same meaning", () => {
    ng.setBackend("reference");
    assertProperty(
      fc.property(randomProgram, (program) => {
        const expected = program.f(...program.inputs);
        let graph = traced(program);
        verifyGraph(graph, "after tracing");
        for (const pass of passes) {
          graph = pass.apply(graph, currentBackend());
          verifyGraph(graph, `after ${pass.name}`);
          assertSameResults(
            evaluate(graph, program.inputs),
            expected,
            `after ${pass.name}\n${printGraph(graph)}`,
          );
        }
      }),
      300,
    );
  });

  test("each pass by itself keeps the meaning, and repeated changes nothing more", () => {
    ng.setBackend("reference");
    assertProperty(
      fc.property(randomProgram, (program) => {
        const expected = program.f(...program.inputs);
        const graph = traced(program);
        for (const pass of passes) {
          const once = pass.apply(graph, currentBackend());
          verifyGraph(once, `after ${pass.name} alone`);
          assertSameResults(evaluate(once, program.inputs), expected, pass.name);
          // What these have done may give them more to do.
          if (pass.name !== "fold" && pass.name !== "recompute")
            assert.equal(printGraph(pass.apply(once, currentBackend())), printGraph(once), pass.name);
        }
      }),
      100,
    );
  });

  for (const backend of testedBackends) {
    test(`compiled programs equal eager ones on ${backend}, with all passes and with none`, () => {
      assertProperty(
        fc.property(randomProgram, ({ f, inputs }) => {
          onBackend(backend, () => {
            const expected = f(...inputs);
            assertSameResults(ng.jit(f)(...inputs), expected, "all passes");
            withoutPasses(optionalPasses, () => {
              assertSameResults(ng.jit(f)(...inputs), expected, "no pass");
            });
          });
        }),
        150,
      );
    });

    test(`compiled gradients equal eager ones on ${backend}`, () => {
      assertProperty(
        fc.property(randomProgram, ({ f, inputs }) => {
          onBackend(backend, () => {
            const loss = (...xs: Tensor[]): Tensor => ng.sum(ng.sin(f(...xs).at(-1) as Tensor));
            const gradient = ng.grad(loss, { argnums: [0, 1] }) as unknown as (...xs: Tensor[]) => Tensor[];
            assertSameResults(ng.jit(gradient)(...inputs), gradient(...inputs), "gradient");
          });
        }),
        100,
      );
    });
  }
});
