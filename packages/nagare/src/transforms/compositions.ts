/** Reverse mode of compositions: what eager execution runs as one program goes back as one, too. */
import { NagareError, type Tensor } from "../core/index.ts";
import { builder, type Params, type Primitive } from "../ops/index.ts";
import { bind } from "../trace/index.ts";
import type { Linearized } from "./linearize.ts";
import { materialize } from "./zeros.ts";

/** Of which composition, with its own parameters, and the places of the operands that need a cotangent. */
type GradientParams = { readonly params: Params; readonly wanted: readonly number[] };

type Linearize = (points: readonly Tensor[], f: (points: Tensor[]) => readonly Tensor[]) => Linearized<void>;

const gradients = new WeakMap<Primitive, Primitive<GradientParams>>();

/** Cotangents of the wanted operands, from all operands and the cotangent of the result. What lies between is computed again. */
function gradientOf(op: Primitive, linearize: Linearize): Primitive<GradientParams> {
  let gradient = gradients.get(op);
  if (!gradient) {
    gradient = {
      name: `${op.name}Grad`,
      dtypes: [],
      compiled: true,
      inline: true,
      abstract: () => [],
      decompose: (_, inputs, { params, wanted }) => {
        const cotangents = inputs.slice(-1);
        const points = wanted.flatMap((i) => inputs[i] ?? []);
        const { backward } = linearize(points, (points) => {
          const operands = inputs.slice(0, -1).map((input, i) => points[wanted.indexOf(i)] ?? input);
          return op.decompose?.(builder, operands, params) ?? [];
        });
        return backward(cotangents).map(materialize);
      },
      samples: () => [],
    };
    gradients.set(op, gradient);
  }
  return gradient;
}

/** The cotangents of a composition's operands, null for those that are not wanted, from that of its result. */
export function pullComposition(
  op: Primitive,
  operands: readonly Tensor[],
  cotangent: Tensor | undefined,
  params: Params,
  isWanted: readonly boolean[],
  linearize: Linearize,
): (Tensor | null)[] {
  if (!cotangent) throw new NagareError(`grad: ${op.name} goes back from its one result.`);
  const wanted = isWanted.flatMap((is, i) => (is ? [i] : []));
  const found = bind(gradientOf(op, linearize), [...operands, cotangent], { params, wanted });
  return operands.map((_, i) => found[wanted.indexOf(i)] ?? null);
}
