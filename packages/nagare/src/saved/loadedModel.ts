/** A saved model, ready to compute. It needs nothing of the code that trained it. */
import {
  ConcreteTensor,
  checkCount,
  type DimBindings,
  type DType,
  DTypeError,
  dimName,
  evaluateDim,
  formatAval,
  ShapeError,
  Tensor,
  TracerError,
  ValueError,
} from "../core/index.ts";
import { printGraph, type Value } from "../ir/index.ts";
import { type MemoryUse, Program } from "../runtime/index.ts";
import type { NamedGraph } from "./graphJson.ts";
import type { Json } from "./json.ts";
import { avalToJson } from "./param.ts";

/** The signature that calls without a name mean. */
export const defaultSignature = "serving_default";

/** Dtype and shape of a named input or output; sizes that vary are text, such as "batch". */
export interface TensorSpec {
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

/** The inputs and outputs of one function of a model, by name. */
export interface Signature {
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  readonly outputs: Readonly<Record<string, TensorSpec>>;
}

interface Callable {
  readonly named: NamedGraph;
  readonly program: Program;
}

/** What `load` returns. */
export class LoadedModel {
  /** The model's functions by name; "serving_default" is what `call` means without a name. */
  readonly signatures: Readonly<Record<string, Signature>>;
  /** What was saved as `metadata`. */
  readonly metadata: Readonly<Record<string, Json>>;
  /** The constants of all functions by name. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly #callables: ReadonlyMap<string, Callable>;

  constructor(
    graphs: ReadonlyMap<string, NamedGraph>,
    weights: ReadonlyMap<string, Tensor>,
    metadata: Readonly<Record<string, Json>>,
  ) {
    this.#callables = new Map(
      [...graphs].map(([name, named]) => [name, { named, program: new Program(named.graph) }]),
    );
    this.signatures = Object.fromEntries([...graphs].map(([name, named]) => [name, signatureOf(named)]));
    this.weights = weights;
    this.metadata = metadata;
  }

  /**
   * Runs a function of the model.
   * @param inputs A tensor for each input of the signature. Sizes such as "batch" are free, but the same everywhere.
   * @returns A tensor for each output, by name.
   * Throws ValueError for missing and unknown names, DTypeError and ShapeError for tensors that do not fit.
   * @example
   * const model = await ng.load("model/1");
   * const { y } = model.call({ x: ng.zeros([3, 28, 28, 1]) });
   */
  call(
    inputs: Readonly<Record<string, Tensor>>,
    signature: string = defaultSignature,
  ): Record<string, Tensor> {
    const { named, program } = this.#find(signature);
    return byName(named, program.run(checkInputs(named, inputs)));
  }

  /** The same as `call`, off the event loop where the backend can. */
  async callAsync(
    inputs: Readonly<Record<string, Tensor>>,
    signature: string = defaultSignature,
  ): Promise<Record<string, Tensor>> {
    const { named, program } = this.#find(signature);
    return byName(named, await program.runAsync(checkInputs(named, inputs)));
  }

  /** The graph of a function as text, one line for each operation. */
  describe(signature: string = defaultSignature): string {
    return printGraph(this.#find(signature).named.graph);
  }

  /** The names of the sizes that are free in a function's inputs, such as "batch". */
  sizeNames(signature: string = defaultSignature): readonly string[] {
    const names = this.#find(signature).named.graph.inputs.flatMap(({ shape }) => shape.map(dimName));
    return [...new Set(names)].filter((name) => name !== undefined);
  }

  /**
   * The bytes one call takes with the backend in use: inputs, outputs, weights, and intermediate values at the moment when
   * most of them are alive.
   * @param sizes Sizes such as `{ batch: 8 }`; those that are not given are 1.
   * Throws ValueError for names the signature does not have and sizes that are not whole numbers from 1 up, ShapeError for
   * sizes the function cannot run with.
   * @example
   * const model = await ng.load("model/1");
   * model.memoryUse({ batch: 32 }).peakBytes;
   */
  memoryUse(sizes: Readonly<Record<string, number>> = {}, signature: string = defaultSignature): MemoryUse {
    const { named, program } = this.#find(signature);
    const bindings = new Map(this.sizeNames(signature).map((name) => [name, 1]));
    for (const [name, size] of Object.entries(sizes)) {
      if (!bindings.has(name)) {
        const expected = bindings.size
          ? `sizes of ${[...bindings.keys()].join(", ")}`
          : "none, as all are fixed";
        throw new ValueError(`sizes: expected ${expected}; received ${JSON.stringify(name)}.`);
      }
      bindings.set(name, checkCount(size, 1, name));
    }
    return program.memoryUse(
      named.graph.inputs.map(({ shape }) => ({ shape: shape.map((d) => evaluateDim(d, bindings)) })),
    );
  }

  #find(signature: string): Callable {
    const found = this.#callables.get(signature);
    if (found) return found;
    const names = [...this.#callables.keys()].join(", ");
    throw new ValueError(
      `call: expected one of the signatures ${names}; received ${JSON.stringify(signature)}.`,
    );
  }
}

function signatureOf({ graph, inputs, outputs }: NamedGraph): Signature {
  const specs = (names: readonly string[], values: readonly Value[]): Record<string, TensorSpec> =>
    Object.fromEntries(values.map((value, i) => [names[i] ?? "", avalToJson(value)]));
  return { inputs: specs(inputs, graph.inputs), outputs: specs(outputs, graph.outputs) };
}

function byName(named: NamedGraph, results: readonly Tensor[]): Record<string, Tensor> {
  return Object.fromEntries(named.outputs.map((name, i) => [name, results[i] as Tensor]));
}

/** The inputs in the graph's order, once all of them fit. */
function checkInputs(named: NamedGraph, inputs: Readonly<Record<string, Tensor>>): ConcreteTensor[] {
  const unknown = Object.keys(inputs).find((name) => !named.inputs.includes(name));
  if (unknown !== undefined) {
    throw new ValueError(
      `call: expected the inputs ${named.inputs.join(", ")}; received ${JSON.stringify(unknown)} too.`,
    );
  }
  const declared = named.graph.inputs;
  const tensors = named.inputs.map((name, i) => checkInput(name, declared[i] as Value, inputs));
  const bindings = bindNames(declared, tensors);
  tensors.forEach((tensor, i) => {
    const spec = declared[i] as Value;
    if (spec.shape.every((d, axis) => evaluateDim(d, bindings) === tensor.shape[axis])) return;
    const sizes = [...bindings].map(([name, size]) => `${name} = ${size}`).join(", ");
    throw new ShapeError(
      `call: expected ${formatAval(spec)} as ${named.inputs[i]}${sizes && `, where ${sizes}`}; received ${formatAval(tensor)}.`,
    );
  });
  return tensors;
}

/** One input, of the right dtype and number of axes. */
function checkInput(name: string, declared: Value, inputs: Readonly<Record<string, Tensor>>): ConcreteTensor {
  const tensor = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
  const expected = `call: expected ${formatAval(declared)} as ${name}`;
  if (!(tensor instanceof Tensor)) throw new ValueError(`${expected}; received ${String(tensor)}.`);
  if (!(tensor instanceof ConcreteTensor)) {
    throw new TracerError(
      `${expected}; received a traced tensor. A loaded model runs outside of transforms.`,
    );
  }
  if (tensor.dtype !== declared.dtype) {
    throw new DTypeError(
      `${expected}; received ${formatAval(tensor)}. Convert it with .astype("${declared.dtype}").`,
    );
  }
  if (tensor.rank !== declared.shape.length)
    throw new ShapeError(`${expected}; received ${formatAval(tensor)}.`);
  return tensor;
}

/** The sizes of all named dimensions: loading made sure that each name is an axis of some input. */
function bindNames(declared: readonly Value[], tensors: readonly ConcreteTensor[]): DimBindings {
  const bindings = new Map<string, number>();
  declared.forEach(({ shape }, i) => {
    shape.forEach((d, axis) => {
      const name = dimName(d);
      const size = tensors[i]?.shape[axis];
      if (name !== undefined && typeof size === "number" && !bindings.has(name)) bindings.set(name, size);
    });
  });
  return bindings;
}
