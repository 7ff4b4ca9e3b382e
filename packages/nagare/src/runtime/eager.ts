/** Eager execution: an operation on concrete tensors runs at once on the backend in use. */
import { type Aval, ConcreteTensor, NagareError, type Tensor } from "../core/index.ts";
import { builder, type Params, type Primitive } from "../ops/index.ts";
import { setEvaluator } from "../trace/index.ts";
import type { Backend, PreparedCall } from "./backend.ts";
import { Calls } from "./calls.ts";
import { evaluateComposite } from "./composites.ts";
import { currentBackend } from "./devices.ts";
import { currentRecording } from "./profile/index.ts";
import { warmUps } from "./warmUp.ts";

/** Calls of one operation that are kept; the oldest make room. */
const maximalCalls = 1024;

/** A call that was found valid. */
interface EagerCall {
  readonly outputs: readonly Aval[];
  /** Absent for an operation without a kernel. */
  readonly run?: PreparedCall;
}

type OperationCalls = Map<Primitive, Calls<EagerCall>>;
const callsOf = new WeakMap<Backend, OperationCalls>();

function callsOn(backend: Backend, op: Primitive): Calls<EagerCall> {
  let operations = callsOf.get(backend);
  if (!operations) {
    operations = new Map();
    callsOf.set(backend, operations);
  }
  let calls = operations.get(op);
  if (!calls) {
    calls = new Calls();
    operations.set(op, calls);
  }
  return calls;
}

/** Checks the operands and has the backend prepare for such. */
function prepare(backend: Backend, op: Primitive, operands: readonly Aval[], params: Params): EagerCall {
  // What is kept must not keep the tensors themselves.
  const inputs = operands.map(({ shape, dtype }) => ({ shape, dtype }));
  const outputs = op.abstract(inputs, params);
  if (op.decompose && !backend.hasKernel?.(op, inputs, params)) return { outputs };
  return { outputs, run: backend.prepare(op, inputs, params, outputs) };
}

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
  const backend = currentBackend();
  const record = op as unknown as Primitive;
  const calls = callsOn(backend, record);
  let call = calls.find(operands, params);
  if (!call) {
    call = prepare(backend, record, operands, params);
    if (calls.size >= maximalCalls) calls.forgetFirst();
    calls.add(operands, params, call);
    warmUps.operations.once();
  }
  if (!call.run) {
    // A backend that has kernels of whole operations gains by what a program does in one pass.
    const isJoined = backend.hasKernel !== undefined;
    return [
      ...(isJoined
        ? evaluateComposite(op, operands, params)
        : (op.decompose?.(builder, inputs, params) ?? [])),
    ];
  }
  const recording = currentRecording();
  const start = recording ? performance.now() : 0;
  const storages = call.run(operands);
  recording?.call("eager", op.name, start);
  const outputs = new Array<Tensor>(call.outputs.length);
  for (let i = 0; i < outputs.length; i++) {
    const aval = call.outputs[i];
    const storage = storages[i];
    if (!aval || !storage) throw new NagareError(`${op.name}: the backend returned no result.`);
    outputs[i] = new ConcreteTensor(aval.shape, aval.dtype, storage);
  }
  return outputs;
}

setEvaluator(evaluateEagerly);
