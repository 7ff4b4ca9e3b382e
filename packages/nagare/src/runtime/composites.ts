/** Compositions of operations on concrete operands, each run as one kept program. */
import { ConcreteTensor, type Tensor } from "../core/index.ts";
import { GraphBuilder, type Value } from "../ir/index.ts";
import { builder, expand, type Params, type Primitive } from "../ops/index.ts";
import { Calls } from "./calls.ts";
import { Program } from "./program.ts";

/**
 * How many signatures of one composition are compiled. A program is dear to make, so what keeps coming in new shapes runs operation by
 * operation, and no program is ever dropped: the same operands give the same bits each time, which the two ways would not.
 */
const maximalSignatures = 64;

/** A program of more operations, such as a recurrent layer's over all times, is dearer to make than it saves. */
const maximalNodes = 128;

/** By signature; null where the operations run one by one. */
const programsOf = new WeakMap<object, Calls<Program | null>>();

function compile<P extends Params>(
  op: Primitive<P>,
  operands: readonly ConcreteTensor[],
  params: P,
): Program | null {
  const graph = new GraphBuilder();
  const toValue = (x: Value | ConcreteTensor): Value => (x instanceof ConcreteTensor ? graph.constant(x) : x);
  const inputs = operands.map((operand) => graph.input(operand));
  const outputs = expand<Value>(op as unknown as Primitive, inputs, params, (inner, values, innerParams) =>
    graph.add(inner, values.map(toValue), innerParams),
  ).map(toValue);
  const finished = graph.finish(outputs);
  return finished.nodes.length > maximalNodes ? null : new Program(finished, { name: op.name });
}

/** The results of a composition: in one pass over memory and one call of the backend where its operations make one each. */
export function evaluateComposite<P extends Params>(
  op: Primitive<P>,
  operands: readonly ConcreteTensor[],
  params: P,
): readonly Tensor[] {
  let programs = programsOf.get(op);
  if (!programs) {
    programs = new Calls();
    programsOf.set(op, programs);
  }
  let program = programs.find(operands, params);
  if (program === undefined && programs.size < maximalSignatures) {
    program = compile(op, operands, params);
    programs.add(operands, params, program);
  }
  return program ? program.run(operands) : (op.decompose?.(builder, operands, params) ?? []);
}
