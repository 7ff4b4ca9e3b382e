/** Eager execution: an operation on concrete tensors runs at once on the backend in use. */
import { ConcreteTensor, NagareError, type Tensor } from "../core/index.ts";
import type { Params, Primitive } from "../ops/index.ts";
import { setEvaluator } from "../trace/index.ts";
import { currentBackend } from "./devices.ts";

function concrete(op: Primitive, inputs: readonly Tensor[]): readonly ConcreteTensor[] {
  for (const input of inputs) {
    if (!(input instanceof ConcreteTensor))
      throw new NagareError(`${op.name}: an operand has no values to compute with.`);
  }
  return inputs as readonly ConcreteTensor[];
}

/** Runs one operation on concrete tensors. */
export function evaluateEagerly<P extends Params>(
  op: Primitive<P>,
  inputs: readonly Tensor[],
  params: P,
): Tensor[] {
  const record = op as unknown as Primitive;
  const avals = op.abstract(inputs, params);
  const storages = currentBackend().execute(record, concrete(record, inputs), params, avals);
  return avals.map((aval, i) => {
    const storage = storages[i];
    if (!storage) throw new NagareError(`${op.name}: the backend returned no result.`);
    return new ConcreteTensor(aval.shape, aval.dtype, storage);
  });
}

setEvaluator(evaluateEagerly);
