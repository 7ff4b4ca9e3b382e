/** Reverse mode of compositions: what eager execution runs as one program goes back as one, too. */
import type { Tensor } from "../core/index.ts";
import { builder, type Params, type Primitive } from "../ops/index.ts";
import { bind } from "../trace/index.ts";
import type { Linearized } from "./linearize.ts";
import { materialize } from "./zeros.ts";

/** The composition's own parameters, how many operands it has, and the places of those that need a cotangent. */
type GradientParams = {
  readonly params: Params;
  readonly operands: number;
  readonly wanted: readonly number[];
};

type Linearize = (points: readonly Tensor[], f: (points: Tensor[]) => readonly Tensor[]) => Linearized<void>;

const gradients = new WeakMap<Primitive, Primitive<GradientParams>>();

/** Cotangents of the wanted operands, from all operands and the cotangents of all results. What lies between is computed again. */
function gradientOf(op: Primitive, linearize: Linearize): Primitive<GradientParams> {
  let gradient = gradients.get(op);
  if (!gradient) {
    gradient = {
      name: `${op.name}Grad`,
      dtypes: [],
      compiled: true,
      inline: true,
      abstract: () => [],
      decompose: (_, inputs, { params, operands, wanted }) => {
        const points = wanted.flatMap((i) => inputs[i] ?? []);
        const { backward } = linearize(points, (points) => {
          const given = inputs.slice(0, operands).map((input, i) => points[wanted.indexOf(i)] ?? input);
          return op.decompose?.(builder, given, params) ?? [];
        });
        return backward(inputs.slice(operands)).map(materialize);
      },
      samples: () => [],
    };
    gradients.set(op, gradient);
  }
  return gradient;
}

/** The cotangents of a composition's operands, null for those that are not wanted, from those of its results. */
export function pullComposition(
  op: Primitive,
  operands: readonly Tensor[],
  cotangents: readonly Tensor[],
  params: Params,
  isWanted: readonly boolean[],
  linearize: Linearize,
): (Tensor | null)[] {
  const wanted = isWanted.flatMap((is, i) => (is ? [i] : []));
  const gradient = gradientOf(op, linearize);
  const found = bind(gradient, [...operands, ...cotangents], { params, operands: operands.length, wanted });
  return operands.map((_, i) => found[wanted.indexOf(i)] ?? null);
}
