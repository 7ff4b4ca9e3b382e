import * as ng from "nagare";
import { type InputArray, uniform } from "../harness/index.ts";
import { arrayOperations } from "./opsArrays.ts";
import { layerOperations } from "./opsLayers.ts";
import type { F, Operand, Operation } from "./opsOperation.ts";
import { flag, type Sweep, word } from "./sweep.ts";

const operations: Readonly<Record<string, Operation>> = { ...arrayOperations, ...layerOperations };

function arrayOf({ shape, low = -1, high = 1, below }: Operand, seed: number): InputArray {
  if (below === undefined) return uniform(shape, seed, low, high);
  return { shape, data: Int32Array.from(uniform(shape, seed, 0, below).data) };
}

/** Gradients by all floats but the cotangent, which comes last. */
function gradientOf(f: F) {
  return (...given: ng.Tensor[]): ng.Tensor[] => {
    const [operands, cotangent] = [given.slice(0, -1), given.at(-1) as ng.Tensor];
    const argnums = operands.flatMap(({ dtype }, index) => (dtype === "float32" ? [index] : []));
    return ng.grad(
      (...x: ng.Tensor[]) =>
        f(...x)
          .mul(cotangent)
          .sum(),
      { argnums },
    )(...operands) as unknown as ng.Tensor[];
  };
}

/** The same for a layer, whose weights are variables: gradients by its input and by them. */
function layerGradientOf(layer: ng.nn.Module, weights: readonly ng.Variable[]) {
  return (x: ng.Tensor, cotangent: ng.Tensor): readonly [ng.Tensor, readonly ng.Tensor[]] => {
    const f = (x: ng.Tensor, _weights: readonly ng.Variable[]) =>
      layer.call(x, { training: true }).mul(cotangent).sum();
    return ng.grad(f, { argnums: [0, 1] })(x, weights) as unknown as [ng.Tensor, ng.Tensor[]];
  };
}

function prepareLayer(layer: ng.nn.Module, given: readonly ng.Tensor[], gradient: boolean): () => ng.Tensor {
  const [x, ...rest] = given as [ng.Tensor, ...ng.Tensor[]];
  layer.call(x);
  const weights = layer.trainableVariables();
  // Biases are zeros for all parties.
  const assigned = weights.filter(({ name }) => name !== "bias");
  for (const [index, weight] of assigned.entries()) weight.assign(rest[index] as ng.Tensor);
  if (!gradient) {
    const forward = ng.jit((x: ng.Tensor) => layer.call(x, { training: true }));
    return () => forward(x);
  }
  const [backward, cotangent] = [ng.jit(layerGradientOf(layer, weights)), rest.at(-1) as ng.Tensor];
  return () => backward(x, cotangent)[0];
}

function tasksOf(operation: string, { sizes, gradient, result, tolerance = 1e-4 }: Operation, seed: number) {
  const taskOf = (operands: readonly Operand[], place: number, gradient: boolean) => {
    const shapes = operands.map(({ shape }) => shape);
    const all = gradient ? [...operands, { shape: result?.(...shapes) ?? shapes[0] ?? [] }] : operands;
    const size = shapes[0]?.join("x") ?? "";
    return {
      name: `${operation}${gradient ? "Grad" : ""}_${size}`,
      work: "ops",
      parameters: { operation, gradient },
      about: `${operation}${gradient ? ", its gradients," : ""} of ${shapes.map((shape) => shape.join("×")).join(", ")}`,
      unit: "ms" as const,
      check: { kind: "values" as const, tolerance },
      peers: true,
      inputs: () => Object.fromEntries(all.map((one, i) => [`x${i}`, arrayOf(one, seed + 10 * place + i)])),
    };
  };
  return sizes.flatMap((operands, place) => [
    ...(gradient === "only" ? [] : [taskOf(operands, place, false)]),
    ...(gradient ? [taskOf(operands, place, true)] : []),
  ]);
}

/** Single operations, from such as fit into the first cache to such as fit into none. */
export const ops = {
  name: "ops",
  about: "single operations and layers, forward and their gradients: the shape is that of the first operand",
  tasks: Object.entries(operations).flatMap(([name, operation], index) =>
    tasksOf(name, operation, 6000 + 100 * index),
  ),
  prepare(inputs, parameters) {
    const [name, gradient] = [word(parameters, "operation"), flag(parameters, "gradient")];
    const operation = operations[name];
    if (!operation)
      throw new Error(`expected one of ${Object.keys(operations).join(", ")}; received ${name}.`);
    const given = Object.values(inputs);
    if (operation.layer)
      return prepareLayer(operation.layer(...given.map(({ shape }) => shape as number[])), given, gradient);
    if (operation.prepare) return operation.prepare(given);
    if (!gradient) {
      const forward = ng.jit(operation.f);
      return () => forward(...given);
    }
    const backward = ng.jit(gradientOf(operation.f));
    return () => backward(...given)[0] as ng.Tensor;
  },
} satisfies Sweep;
