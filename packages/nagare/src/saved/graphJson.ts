/**
 * Graphs as JSON. Values are numbered: the inputs, the constants, then the results of the nodes in order; a node reads
 * values with smaller numbers only. Constants are weights by name; scalars are written out.
 */
import {
  type Aval,
  ConcreteTensor,
  dimName,
  evaluateShape,
  FormatError,
  formatAval,
  NagareError,
  sameShape,
  type Tensor,
} from "../core/index.ts";
import { type Graph, GraphBuilder, required, type Value, verifyGraph } from "../ir/index.ts";
import { type Params, type Primitive, primitiveByName, scalar } from "../ops/index.ts";
import type { Field, Json } from "./json.ts";
import {
  avalFromJson,
  avalToJson,
  checkAval,
  checkForm,
  paramFromJson,
  paramsFromJson,
  paramsToJson,
  paramToJson,
} from "./param.ts";

/** A graph whose inputs and outputs have names, in the graph's order. */
export interface NamedGraph {
  readonly graph: Graph;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** What a graph's constants are called in the file of weights; the same tensor has the same name in every graph. */
export type WeightName = (tensor: ConcreteTensor) => string;

/** A graph as JSON. Scalars are read from their device, everything else only named. */
export async function graphToJson(
  { graph, inputs, outputs }: NamedGraph,
  weightName: WeightName,
): Promise<Json> {
  const indices = new Map<Value, number>();
  const number = (value: Value): void => {
    indices.set(value, indices.size);
  };
  graph.inputs.forEach(number);
  for (const value of graph.constants.keys()) number(value);
  const constants = [...graph.constants.values()].map(async (tensor): Promise<Json> => {
    const aval = avalToJson(tensor);
    return tensor.rank === 0
      ? { ...aval, element: await elementToJson(tensor) }
      : { ...aval, weight: weightName(tensor) };
  });
  const nodes = graph.nodes.map((node): Json => {
    if (node.body) throw new NagareError("A graph is saved before operations are fused.");
    node.outputs.forEach(number);
    return {
      op: node.op.name,
      inputs: node.inputs.map((input) => required(indices, input)),
      params: paramsToJson(node.params),
      results: node.outputs.map(avalToJson),
    };
  });
  const described = (values: readonly Value[], names: readonly string[]): Json =>
    Object.fromEntries(
      values.map((value, i) => [names[i] ?? "", { ...avalToJson(value), value: required(indices, value) }]),
    );
  return {
    inputs: described(graph.inputs, inputs),
    outputs: described(graph.outputs, outputs),
    constants: await Promise.all(constants),
    nodes,
  };
}

async function elementToJson(tensor: Tensor): Promise<Json> {
  const [element] = await tensor.data();
  return paramToJson(element);
}

/**
 * Reads and checks a graph: every number, shape, parameter and name, and that each operation makes of its operands what
 * the file says it makes. Throws FormatError.
 * @param weights The tensors of the file of weights, by name.
 */
export function graphFromJson(field: Field, weights: ReadonlyMap<string, Tensor>): NamedGraph {
  const builder = new GraphBuilder();
  const values: Value[] = [];
  const inputs = readInputs(field.get("inputs"));
  for (const { aval } of inputs) values.push(builder.input(aval));
  for (const constant of field.get("constants").elements()) {
    values.push(builder.constant(readConstant(constant, weights)));
  }
  for (const node of field.get("nodes").elements()) values.push(...readNode(node, builder, values));
  const outputs = field
    .get("outputs")
    .members()
    .map(([name, output]) => {
      const value = valueAt(output.get("value"), values);
      checkSame(avalFromJson(output), value, output.where);
      return { name, value };
    });
  if (outputs.length === 0) field.get("outputs").fail("at least one output");
  const graph = builder.finish(outputs.map(({ value }) => value));
  checkDims(graph, field.where);
  verifyGraph(graph, `in ${field.where}`);
  return { graph, inputs: inputs.map(({ name }) => name), outputs: outputs.map(({ name }) => name) };
}

/** The inputs in the order of their numbers, which a JSON object does not keep for every name. */
function readInputs(field: Field): { name: string; aval: Aval }[] {
  const members = field.members();
  const ordered: ({ name: string; aval: Aval } | undefined)[] = members.map(() => undefined);
  for (const [name, member] of members) {
    const index = member.get("value").count(0, members.length - 1);
    if (ordered[index]) member.get("value").fail("a number of its own");
    ordered[index] = { name, aval: avalFromJson(member) };
  }
  return ordered.filter((input) => input !== undefined);
}

function readConstant(field: Field, weights: ReadonlyMap<string, Tensor>): ConcreteTensor {
  const aval = avalFromJson(field);
  const element = field.get("element");
  const weight = field.get("weight");
  const tensor = element.value === undefined ? weights.get(weight.string()) : readScalar(element, aval);
  if (!(tensor instanceof ConcreteTensor)) return weight.fail("the name of a weight");
  checkSame(aval, tensor, field.where);
  return tensor;
}

function readScalar(field: Field, { dtype }: Aval): Tensor {
  const value = paramFromJson(field);
  const fits = typeof value === (dtype === "int64" ? "bigint" : "number");
  if (!fits) return field.fail(`an element of ${dtype}`);
  return scalar(value as number | bigint, dtype);
}

function valueAt(field: Field, values: readonly Value[]): Value {
  return values[field.count(0, values.length - 1)] ?? field.fail("the number of an earlier value");
}

function readNode(field: Field, builder: GraphBuilder, values: readonly Value[]): readonly Value[] {
  const op = readOperation(field.get("op"));
  const inputs = field
    .get("inputs")
    .elements()
    .map((input) => valueAt(input, values));
  const params = paramsFromJson(field.get("params"));
  checkForm(op, inputs, params, field.where);
  const outputs = apply(builder, op, inputs, params, field.where);
  const results = field.get("results").elements();
  if (results.length !== outputs.length) field.get("results").fail(`${outputs.length} result(s)`);
  results.forEach((result, i) => {
    const output = outputs[i];
    if (output) checkAval(output, result.where);
    if (output) checkSame(avalFromJson(result), output, result.where);
  });
  return outputs;
}

function readOperation(field: Field): Primitive {
  const name = field.string();
  try {
    return primitiveByName(name);
  } catch (error) {
    throw new FormatError(`${field.where}: ${(error as Error).message}`);
  }
}

/** Adds a node by the operation's own rule. Whatever the rule throws at operands it was not written for, the file is at fault. */
function apply(
  builder: GraphBuilder,
  op: Primitive,
  inputs: readonly Value[],
  params: Params,
  where: string,
): readonly Value[] {
  try {
    return builder.add(op, inputs, params);
  } catch (error) {
    throw new FormatError(`${where}: ${(error as Error).message}`, { cause: error });
  }
}

function checkSame(expected: Aval, received: Aval, where: string): void {
  if (expected.dtype === received.dtype && sameShape(expected.shape, received.shape)) return;
  throw new FormatError(`${where}: expected ${formatAval(expected)}; received ${formatAval(received)}.`);
}

/** Every name in a symbolic size must be an axis of some input, or no call could ever give it a size. */
function checkDims(graph: Graph, where: string): void {
  const names = graph.inputs
    .flatMap((input) => input.shape.map(dimName))
    .filter((name) => name !== undefined);
  const bindings = new Map(names.map((name) => [name, 1]));
  const values = [...graph.inputs, ...graph.nodes.flatMap((node) => node.outputs)];
  try {
    for (const value of values) evaluateShape(value.shape, bindings);
  } catch (error) {
    throw new FormatError(`${where}: ${(error as Error).message}`, { cause: error });
  }
}
