import { before, describe, test } from "node:test";
import { verifyPasses } from "nagare/backend";
import { onBackend, testedBackends } from "./backends.ts";
import { type Case, casesOf, testedPrimitives } from "./cases.ts";
import {
  checkAgainstReference,
  checkJit,
  checkRefusesOtherDTypes,
  checkShapeRule,
  checkSpecialValues,
  refusedDTypes,
} from "./values.ts";

before(() => {
  verifyPasses(true);
});

for (const op of testedPrimitives) {
  describe(op.name, () => {
    if (refusedDTypes(op).length > 0) {
      test("refuses operands of other dtypes", () => checkRefusesOtherDTypes(op));
    }
    for (const backend of testedBackends) {
      for (const dtype of op.dtypes) {
        const forEachCase = (check: (test: Case) => void) => () =>
          onBackend(backend, () => casesOf(op, dtype).forEach(check));
        test(`shape rule equals actual shape, ${dtype} on ${backend}`, forEachCase(checkShapeRule));
        test(`jit equals eager, ${dtype} on ${backend}`, forEachCase(checkJit));
        if (backend === "reference") continue;
        test(`${backend} equals reference, ${dtype}`, forEachCase(checkAgainstReference));
        if (!op.scalar) continue;
        test(`${backend} equals reference on special values, ${dtype}`, () =>
          onBackend(backend, () => checkSpecialValues(op, dtype)));
      }
    }
  });
}
