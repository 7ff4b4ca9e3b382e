import { before, describe, test } from "node:test";
import { isFloat, verifyPasses } from "nagare/backend";
import { onBackend, testedBackends } from "./backends.ts";
import { type Case, casesOf, differentiableOperands, testedPrimitives } from "./cases.ts";
import {
  checkFirstOrder,
  checkGradOfGrad,
  checkJitOfGrad,
  checkMatrix,
  checkPrimals,
  checkSecondOrder,
  checkTangentAvals,
  checkTranspose,
} from "./derivatives.ts";

before(() => {
  verifyPasses(true);
});

for (const op of testedPrimitives) {
  const floats = op.dtypes.filter((dtype) => isFloat(dtype));
  const differentiable = floats.filter((dtype) =>
    casesOf(op, dtype).some((test) => differentiableOperands(test).length > 0),
  );
  if (differentiable.length === 0) continue;
  describe(op.name, () => {
    for (const backend of testedBackends) {
      const forEachCase = (dtype: (typeof floats)[number], check: (test: Case) => void) => () =>
        onBackend(backend, () => casesOf(op, dtype).forEach(check));
      for (const dtype of differentiable) {
        test(`jvp's and vjp's primals equal eager, ${dtype} on ${backend}`, forEachCase(dtype, checkPrimals));
        test(
          `derivatives have their primals' dtypes, ${dtype} on ${backend}`,
          forEachCase(dtype, checkTangentAvals),
        );
        test(`jit of grad equals grad, ${dtype} on ${backend}`, forEachCase(dtype, checkJitOfGrad));
      }
      if (!differentiable.includes("float64")) continue;
      test(`jvp equals central differences on ${backend}`, forEachCase("float64", checkFirstOrder));
      test(`jvp of jvp equals central differences on ${backend}`, forEachCase("float64", checkSecondOrder));
      test(`grad of grad equals central differences on ${backend}`, forEachCase("float64", checkGradOfGrad));
      test(`vjp is the transpose of jvp on ${backend}`, forEachCase("float64", checkTranspose));
      test(`vjp's matrix is jvp's matrix on ${backend}`, forEachCase("float64", checkMatrix));
    }
  });
}
