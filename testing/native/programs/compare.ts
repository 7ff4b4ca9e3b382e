/** Compares what the engine computes with the reference, and prints what the engine is. */
import * as ng from "nagare";
import { type ConcreteTensor, evaluateReference, loadBackend, primitives } from "nagare/backend";
import { apply } from "../../generator/cases.ts";
import { assertClose, toleranceOf } from "../../generator/compare.ts";
import { checkSpecialValues } from "../../generator/values.ts";
import { largeAttentions } from "../attentionCases.ts";
import { sampleCases } from "../engineRuns.ts";
import {
  checkProduct,
  finishedProducts,
  largeConvolutions,
  largeNarrowProducts,
  largeProducts,
  narrowEdges,
} from "../largeCases.ts";
import { largeSequences } from "../sequenceCases.ts";
import { type EngineCase, shapeCases } from "../shapeCases.ts";
import { compareTensors } from "../tensors.ts";

function compare(test: EngineCase): void {
  const results = apply(test, test.inputs);
  evaluateReference(test.op, test.inputs, test.params).forEach((expected, i) => {
    assertClose(results[i] ?? expected, expected, toleranceOf(test.op, expected.dtype), test.label);
  });
}

ng.setBackend("native");
for (const test of [
  ...sampleCases(),
  ...shapeCases(5, 500),
  ...largeConvolutions(),
  ...largeSequences(),
  ...largeAttentions(),
])
  compare(test);
for (const op of primitives()) {
  if (op.scalar) for (const dtype of op.dtypes) checkSpecialValues(op, dtype);
}
for (const test of [...largeProducts(), ...largeNarrowProducts(), ...narrowEdges()])
  checkProduct(test, apply(test, test.inputs)[0] as ConcreteTensor);
for (const { compiled, expected } of finishedProducts())
  compareTensors(compiled as ConcreteTensor, expected as ConcreteTensor, 1e-6, String(compiled.shape));
console.log(loadBackend("native").description);
