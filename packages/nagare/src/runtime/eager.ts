/** Eager execution: an operation on concrete tensors runs at once on the backend in use. */
import { ConcreteTensor, NagareError, type Tensor } from "../core/index.ts";
import { builder, type Params, type Primitive } from "../ops/index.ts";
import { setEvaluator } from "../trace/index.ts";
import { evaluateComposite } from "./composites.ts";
import { currentBackend } from "./devices.ts";
import { currentRecording } from "./profile/index.ts";

/** Runs one operation on concrete tensors. */
export function evaluateEagerly<P extends Params>(
  op: Primitive<P>,
  inputs: readonly Tensor[],
  params: P,
): Tensor[] {
  for (const input of inputs) {
    if (!(input instanceof ConcreteTensor)) {
      throw new NagareError(`${op.name}: an operand has no values to compute with.`);
    }
  }
  const operands = inputs as readonly ConcreteTensor[];
  if (op.compiled) return [...evaluateComposite(op, operands, params)];
  const avals = op.abstract(inputs, params);
  const backend = currentBackend();
  const record = op as unknown as Primitive;
  if (op.decompose && !backend.hasKernel?.(record, operands, params)) {
    return [...op.decompose(builder, inputs, params)];
  }
  const recording = currentRecording();
  const start = recording ? performance.now() : 0;
  const storages = backend.execute(record, operands, params, avals);
  recording?.call("eager", op.name, start);
  const outputs = new Array<Tensor>(avals.length);
  for (let i = 0; i < avals.length; i++) {
    const aval = avals[i];
    const storage = storages[i];
    if (!aval || !storage) throw new NagareError(`${op.name}: the backend returned no result.`);
    outputs[i] = new ConcreteTensor(aval.shape, aval.dtype, storage);
  }
  return outputs;
}

setEvaluator(evaluateEagerly);
