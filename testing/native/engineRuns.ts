/** Running operations on the engine, in memory that ends where the operands end, and training a small network. */
import * as ng from "nagare";
import {
  type Backend,
  bytesPerElement,
  ConcreteTensor,
  CpuStorage,
  concreteSize,
  type DType,
  decomposeFused,
  type Executable,
  GraphBuilder,
  primitives,
  type TypedArray,
  viewBuffer,
} from "nagare/backend";
import { casesOf } from "../generator/cases.ts";
import { weightsOf } from "../train/problem.ts";
import type { EngineCase } from "./shapeCases.ts";

const { nn, optim } = ng;

/** Every sample of every record in every dtype. */
export function sampleCases(): EngineCase[] {
  return primitives().flatMap((op) => op.dtypes.flatMap((dtype) => casesOf(op, dtype)));
}

/** An operation compiled alone. No pass has looked at it but the one that decomposes what the backend has no kernel for. */
export function compileCase(backend: Backend, { op, inputs, params }: EngineCase): Executable {
  const builder = new GraphBuilder();
  const operands = inputs.map((input) => builder.input(input));
  const graph = builder.finish(builder.add(op, operands, params));
  return backend.compile(decomposeFused(graph, (...call) => backend.hasKernel?.(...call) ?? false));
}

/** An array with a buffer of its own that ends where the array does. It starts `skipped` elements after the buffer. */
function exactArray(dtype: DType, size: number, skipped: number): TypedArray {
  const bytes = bytesPerElement(dtype);
  return viewBuffer(dtype, new ArrayBuffer((size + skipped) * bytes), skipped * bytes, size);
}

/** Runs a case in exact memory; `skipped` = 1 puts every array at an odd address. */
export function runExactly(executable: Executable, test: EngineCase, skipped: number): TypedArray[] {
  const inputs = test.inputs.map(({ dtype, storage }) => {
    const from = storage.readSync();
    const array = exactArray(dtype, from.length, skipped);
    array.set(from as never);
    return new CpuStorage(array);
  });
  const outputs = test.op
    .abstract(test.inputs, test.params)
    .map(({ dtype, shape }) => new CpuStorage(exactArray(dtype, concreteSize(shape), skipped)));
  return executable.run(inputs, outputs).map((storage) => storage.readSync());
}

/** A case's results as tensors. */
export function resultsOf(test: EngineCase, arrays: readonly TypedArray[]): ConcreteTensor[] {
  return test.op
    .abstract(test.inputs, test.params)
    .map(({ shape, dtype }, i) => new ConcreteTensor(shape, dtype, new CpuStorage(arrays[i] as TypedArray)));
}

/** Trains a convolutional network on random images with `fit`, off the event loop, and returns its weights as text. */
export async function trainConvolutions(steps: number): Promise<string> {
  ng.random.seed(7);
  const model = nn.sequential([
    nn.conv2d({ filters: 9, kernelSize: 3, activation: "relu" }),
    nn.maxPooling2d({ poolSize: 2 }),
    nn.conv2d({ filters: 17, kernelSize: 3, padding: "same" }),
    nn.batchNormalization(),
    nn.averagePooling2d({ poolSize: 2 }),
    nn.flatten(),
    nn.dropout({ rate: 0.2 }),
    nn.dense({ units: 10 }),
  ]);
  model.compile({
    optimizer: optim.adam(0.01),
    loss: "sparseCategoricalCrossentropy",
    metrics: ["accuracy"],
  });
  const count = 32 * steps;
  const images = ng.random.uniform(ng.random.key(1), [count, 15, 17, 2]);
  const labels = ng.random.randint(ng.random.key(2), [count], 0, 10);
  await model.fit([images, labels], { batchSize: 32, verbose: false });
  return weightsOf(model);
}
