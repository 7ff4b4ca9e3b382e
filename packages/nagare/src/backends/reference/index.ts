/** The reference backend: every operation by its own definition, in plain TypeScript, one node after the other. */
import { type Aval, ConcreteTensor, CpuStorage, NagareError, type Storage } from "../../core/index.ts";
import { type Graph, required, Value } from "../../ir/index.ts";
import { evaluateReference, type Params, type Primitive } from "../../ops/index.ts";
import type { Backend, Executable, KernelObserver, PreparedCall } from "../../runtime/index.ts";

/** Defines what every operation means. It runs wherever JavaScript does, slowly. */
export class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly description = "plain TypeScript, one thread";
  #observer: KernelObserver | undefined;

  prepare(op: Primitive, inputs: readonly Aval[], params: Params, outputs: readonly Aval[]): PreparedCall {
    return (operands) => {
      const start = performance.now();
      const results = evaluateReference(op, operands, params).map((output) => output.storage);
      if (this.#observer) {
        const [read, made] = [inputs, outputs].map((avals) => avals.map((aval) => new Value(aval)));
        const node = { op, inputs: read ?? [], params, outputs: made ?? [] };
        this.#observer([node], Float64Array.of(start, performance.now()));
      }
      return results;
    };
  }

  observe(observer: KernelObserver | undefined): void {
    this.#observer = observer;
  }

  compile(graph: Graph): Executable {
    return {
      run: (inputs) => {
        const times = new Float64Array(2 * graph.nodes.length);
        const outputs = evaluateGraph(
          graph,
          graph.inputs.map((input, i) => concrete(input, inputs[i])),
          times,
        );
        this.#observer?.(graph.nodes, times);
        return outputs;
      },
      describe: () => graph.nodes.map((node) => node.op.name).join("\n"),
    };
  }
}

function concrete(value: Value, storage: Storage | undefined): ConcreteTensor {
  if (!(storage instanceof CpuStorage)) {
    // A donated tensor says so itself.
    storage?.readSync();
    throw new NagareError("The reference backend computes on the CPU only.");
  }
  return new ConcreteTensor(value.shape, value.dtype, storage);
}

/** Runs the nodes in order and returns the outputs' storages; `times` receives when each node started and ended. */
function evaluateGraph(graph: Graph, inputs: readonly ConcreteTensor[], times?: Float64Array): Storage[] {
  const values = new Map<Value, ConcreteTensor>(graph.constants);
  graph.inputs.forEach((value, i) => {
    const input = inputs[i];
    if (input) values.set(value, input);
  });
  graph.nodes.forEach((node, position) => {
    times?.set([performance.now()], 2 * position);
    const operands = node.inputs.map((input) => required(values, input));
    const storages = node.body
      ? evaluateGraph(node.body, operands)
      : evaluateReference(node.op, operands, node.params).map((result) => result.storage);
    node.outputs.forEach((output, i) => {
      values.set(output, concrete(output, storages[i]));
    });
    times?.set([performance.now()], 2 * position + 1);
  });
  return graph.outputs.map((output) => required(values, output).storage);
}
