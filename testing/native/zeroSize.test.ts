/** Tensors without elements: kernels divide by sizes, and memory of no bytes may have no address. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { evaluateReference, primitives, ValueError } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { apply } from "../generator/cases.ts";
import { assertClose, exact, toleranceOf } from "../generator/compare.ts";
import type { EngineCase } from "./shapeCases.ts";
import { zeroSizeCases } from "./zeroSizeCases.ts";

/** The operation's values, or its refusal of them: an axis of no elements has no element number 3. */
function outcomeOf<T>(compute: () => T): T | "refused" {
  try {
    return compute();
  } catch (error) {
    if (error instanceof ValueError) return "refused";
    throw error;
  }
}

function check(backend: string, { op, inputs, params, label }: EngineCase): void {
  const expected = outcomeOf(() => evaluateReference(op, inputs, params));
  const compiled = ng.jit((...xs: ng.Tensor[]) => apply({ op, params }, xs));
  for (const f of [(...xs: ng.Tensor[]) => apply({ op, params }, xs), compiled]) {
    const actual = outcomeOf(() => onBackend(backend, () => f(...inputs)));
    if (expected === "refused" || actual === "refused") {
      assert.equal(actual, expected, label);
      continue;
    }
    for (const [i, wanted] of expected.entries()) {
      // Of a fused operation one result may be empty and another not.
      const tolerance = op.decompose ? toleranceOf(op, wanted.dtype) : exact;
      assertClose(actual[i] ?? wanted, wanted, tolerance, label);
    }
  }
}

for (const backend of testedBackends) {
  describe(`tensors without elements on ${backend}`, () => {
    for (const op of primitives()) {
      test(`${op.name} of every sample with a size of 0 equals the definition`, (t) => {
        const cases = zeroSizeCases(op);
        assert.ok(cases.length > 0, `${op.name}: no sample can be made empty`);
        t.diagnostic(`${cases.length} cases`);
        for (const test of cases) check(backend, test);
      });
    }

    test("the sum of no columns is an empty tensor, and that of no rows is zeros", () =>
      onBackend(backend, () => {
        assert.deepEqual(ng.zeros([2, 0]).sum({ axis: 0 }).toArray(), []);
        assert.deepEqual(ng.zeros([0, 2]).sum({ axis: 0 }).toArray(), [0, 0]);
        assert.deepEqual(ng.zeros([2, 0]).prod({ axis: 1 }).toArray(), [1, 1]);
      }));
  });
}
