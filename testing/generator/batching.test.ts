import { before, describe, test } from "node:test";
import { isFloat, verifyPasses } from "nagare/backend";
import { onBackend, testedBackends } from "./backends.ts";
import {
  checkJvpOfVmap,
  checkNestedVmap,
  checkSymbolicBatch,
  checkVmap,
  checkVmapOfGrad,
} from "./batching.ts";
import { type Case, casesOf, differentiableOperands, testedPrimitives } from "./cases.ts";

before(() => {
  verifyPasses(true);
});

for (const op of testedPrimitives) {
  describe(op.name, () => {
    for (const backend of testedBackends) {
      const forEachCase = (dtype: (typeof op.dtypes)[number], check: (test: Case) => void) => () =>
        onBackend(backend, () => casesOf(op, dtype).forEach(check));
      for (const dtype of op.dtypes) {
        test(`vmap equals the stacked loop, ${dtype} on ${backend}`, forEachCase(dtype, checkVmap));
      }
      const [dtype] = op.dtypes;
      if (!dtype) continue;
      test(`vmap of vmap equals two loops on ${backend}`, forEachCase(dtype, checkNestedVmap));
      test(`a symbolic batch equals the stacked loop on ${backend}`, (t) => {
        const refusals = onBackend(backend, () => casesOf(op, dtype).map(checkSymbolicBatch));
        for (const reason of new Set(refusals)) if (reason) t.diagnostic(`refused: ${reason}`);
      });
      const hasDerivative = (test: Case) => differentiableOperands(test).length > 0;
      if (!op.dtypes.some((d) => isFloat(d)) || !casesOf(op, "float64").some(hasDerivative)) continue;
      test(`vmap of grad equals a loop of gradients on ${backend}`, forEachCase("float64", checkVmapOfGrad));
      test(`jvp of vmap equals a loop of derivatives on ${backend}`, forEachCase("float64", checkJvpOfVmap));
    }
  });
}
