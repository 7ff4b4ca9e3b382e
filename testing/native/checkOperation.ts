/** One operation of the engine against the reference backend. */
import {
  type Aval,
  type ConcreteTensor,
  evaluateReference,
  GraphBuilder,
  loadBackend,
  type Params,
  type Primitive,
  primitiveByName,
} from "nagare/backend";
import "nagare";
import { compareTensors } from "./tensors.ts";

const native = loadBackend("native");

/** The results of the engine for one operation. */
export function run(op: Primitive, inputs: readonly ConcreteTensor[], params: Params): ConcreteTensor[] {
  const builder = new GraphBuilder();
  const values = inputs.map((input) => builder.input(input));
  const outputs: readonly Aval[] = builder.add(op, values, params);
  const executable = native.compile(builder.finish([...(outputs as never[])]));
  const storages = executable.run(
    inputs.map((input) => input.storage),
    [],
  );
  return outputs.map((aval, i) => ({ ...aval, storage: storages[i] }) as ConcreteTensor);
}

/** Throws where a result of the engine is not the reference's, to within the tolerance. */
export function check(name: string, inputs: readonly ConcreteTensor[], params: Params, tolerance = 0): void {
  const op = primitiveByName(name);
  const expected = evaluateReference(op, inputs, params);
  const actual = run(op, inputs, params);
  const label = `${name} of ${inputs.map((x) => `${x.dtype}[${x.shape.join()}]`).join(", ")} ${JSON.stringify(params)}`;
  for (const [i, result] of actual.entries()) {
    compareTensors(result, expected[i] as ConcreteTensor, tolerance, label);
  }
}
