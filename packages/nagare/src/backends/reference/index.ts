/** The reference backend: every operation by its own definition, in plain TypeScript, one node after the other. */
import { type Aval, ConcreteTensor, CpuStorage, NagareError, type Storage } from "../../core/index.ts";
import { type Graph, required, type Value } from "../../ir/index.ts";
import { evaluateReference, type Params, type Primitive } from "../../ops/index.ts";
import type { Backend, Executable } from "../../runtime/index.ts";

/** Defines what every operation means. It runs wherever JavaScript does, slowly. */
export class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly description = "plain TypeScript, one thread";

  execute(
    op: Primitive,
    inputs: readonly ConcreteTensor[],
    params: Params,
    _outputs: readonly Aval[],
  ): Storage[] {
    return evaluateReference(op, inputs, params).map((output) => output.storage);
  }

  compile(graph: Graph): Executable {
    return {
      run: (inputs) =>
        evaluateGraph(
          graph,
          graph.inputs.map((input, i) => concrete(input, inputs[i])),
        ),
      describe: () => graph.nodes.map((node) => node.op.name).join("\n"),
    };
  }
}

function concrete(value: Value, storage: Storage | undefined): ConcreteTensor {
  if (!(storage instanceof CpuStorage))
    throw new NagareError("The reference backend computes on the CPU only.");
  return new ConcreteTensor(value.shape, value.dtype, storage);
}

/** Runs the nodes in order and returns the outputs' storages. */
function evaluateGraph(graph: Graph, inputs: readonly ConcreteTensor[]): Storage[] {
  const values = new Map<Value, ConcreteTensor>(graph.constants);
  graph.inputs.forEach((value, i) => {
    const input = inputs[i];
    if (input) values.set(value, input);
  });
  for (const node of graph.nodes) {
    const operands = node.inputs.map((input) => required(values, input));
    const storages = node.body
      ? evaluateGraph(node.body, operands)
      : evaluateReference(node.op, operands, node.params).map((result) => result.storage);
    node.outputs.forEach((output, i) => {
      values.set(output, concrete(output, storages[i]));
    });
  }
  return graph.outputs.map((output) => required(values, output).storage);
}
