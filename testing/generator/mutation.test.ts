import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setBackend } from "nagare/backend";
import { testedPrimitives } from "./cases.ts";
import { assertNoticed, hasDerivative, mutationsOf } from "./mutation.ts";
import "nagare";

// Which mutations there are is found by computing.
setBackend("reference");

for (const op of testedPrimitives) {
  describe(op.name, () => {
    const mutations = mutationsOf(op);
    for (const mutation of mutations) test(`${mutation.name} is noticed`, () => assertNoticed(op, mutation));
    // A fused operation without a reverse rule has no derivative of its own that could be wrong.
    if (!hasDerivative(op) || !(op.jvp || op.vjp)) return;
    test("the mutations reach its derivative", () => {
      assert.ok(
        mutations.some(({ name }) => name === "a jvp of zeros" || name.startsWith("a vjp without")),
        `${op.name}: its samples vary with no operand`,
      );
    });
  });
}
