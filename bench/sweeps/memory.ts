import * as ng from "nagare";
import { type InputArray, uniform } from "../harness/index.ts";
import { input } from "../workloads/workload.ts";
import { type Sweep, word } from "./sweep.ts";

/** Elements of an operand, 64 MiB: beyond the caches of most machines. */
const elements = 2 ** 24;

/** An operation whose time is that of the memory it moves. */
interface Operation {
  readonly about: string;
  /** How many arrays it reads or writes, each once. */
  readonly streams: number;
  inputs(): Readonly<Record<string, InputArray>>;
  prepare(inputs: Readonly<Record<string, ng.Tensor>>): () => ng.Tensor;
}

/** An operation on one array. */
function ofOne(about: string, shape: readonly number[], f: (x: ng.Tensor) => ng.Tensor): Operation {
  return {
    about,
    streams: 2,
    inputs: () => ({ x: uniform(shape, 5000, -2, 2) }),
    prepare(inputs) {
      const x = input(inputs, "x");
      const run = ng.jit(f);
      return () => run(x);
    },
  };
}

const operations: Readonly<Record<string, Operation>> = {
  add: {
    about: "sum of two arrays",
    streams: 3,
    inputs: () => ({ x: uniform([elements], 5001), y: uniform([elements], 5002) }),
    prepare(inputs) {
      const [x, y] = [input(inputs, "x"), input(inputs, "y")];
      const sum = ng.jit((x: ng.Tensor, y: ng.Tensor) => x.add(y));
      return () => sum(x, y);
    },
  },
  gelu: ofOne("gelu by the error function", [elements], (x) => x.gelu()),
  softmax: ofOne("softmax of rows of 256", [elements / 256, 256], (x) => x.softmax()),
  layerNorm: ofOne("layer normalization of rows of 1,024", [elements / 1024, 1024], (x) =>
    ng.layerNorm(x, { epsilon: 1e-5 }),
  ),
  adam: {
    about: "an Adam step: reads the weights, their gradient and two moments, writes all but the gradient",
    streams: 7,
    inputs: () => ({ x: uniform([elements], 5003, -1, 1), gradient: uniform([elements], 5004, -1, 1) }),
    prepare(inputs) {
      const [weights, gradient] = [ng.variable(input(inputs, "x")), input(inputs, "gradient")];
      const optimizer = ng.optim.adam(1e-3, { epsilon: 1e-8 });
      const step = ng.jit((gradient: ng.Tensor) => {
        optimizer.apply([weights], [gradient]);
        // Enough to see whether it is right; all of it would be another array to write.
        return weights.value.slice([0, 1000]);
      });
      return () => step(gradient);
    },
  },
};

/** Operations on float32 arrays beyond the caches. */
export const memory: Sweep = {
  name: "memory",
  about: "operations on 2²⁴ float32 elements, in bytes that are read and written",
  tasks: Object.entries(operations).map(([operation, { about, streams, inputs }]) => ({
    name: `memory_${operation}`,
    work: "memory",
    parameters: { operation },
    about,
    unit: "ms",
    check: { kind: "values", tolerance: 1e-4 },
    peers: true,
    bytes: 4 * streams * elements,
    inputs,
  })),
  prepare(inputs, parameters) {
    const operation = operations[word(parameters, "operation")];
    if (!operation) throw new Error(`expected one of ${Object.keys(operations).join(", ")}.`);
    return operation.prepare(inputs);
  },
};
