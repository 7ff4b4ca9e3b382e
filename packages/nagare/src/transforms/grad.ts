/** Gradients, vector–Jacobian products and the linear map itself. */
import {
  checkSameStructure,
  DTypeError,
  flatten,
  formatAval,
  isDifferentiable,
  isHolder,
  type Leaf,
  NagareError,
  ShapeError,
  Tensor,
  type TreeDef,
  unflatten,
  ValueError,
} from "../core/index.ts";
import { asTensor, builder } from "../ops/index.ts";
import { Variable } from "../runtime/index.ts";
import { returned } from "../trace/index.ts";
import { checkTangents, tensorLeaves } from "./jvp.ts";
import { type Linearized, linearizeAt } from "./linearize.ts";
import { materialize } from "./zeros.ts";

/** Options of `grad` and `valueAndGrad`. */
export interface GradOptions {
  /** Which arguments to differentiate with respect to: an index, or a list for a list of gradients. Default 0. */
  readonly argnums?: number | readonly number[];
  /** The function returns `[loss, extra]`; `extra` is handed through. Default false. */
  readonly hasAux?: boolean;
}

/** A function that may be differentiated: its first result is a scalar. */
export type Differentiable = (...args: never[]) => unknown;

/** The gradient of a tree: tensors for leaves; modules become records of their variables' gradients. */
export type GradientOf<T> = T extends Tensor | number | bigint | boolean
  ? Tensor
  : T extends { readonly value: Tensor }
    ? Tensor
    : T extends readonly unknown[] | Record<string, unknown>
      ? { [K in keyof T]: GradientOf<T[K]> }
      : unknown;

/** An argument's leaves, and how to call the function with other values in their place. */
interface Argument {
  readonly def: TreeDef;
  readonly leaves: readonly Leaf[];
}

/** Leaves replaced by tracers: variables keep their place and are bound, everything else is rebuilt. */
function callWith<R>(args: readonly Argument[], values: readonly Tensor[], body: (args: unknown[]) => R): R {
  let next = 0;
  const cells: { cell: Variable; value: Tensor }[] = [];
  const rebuilt = args.map(({ def, leaves }) => {
    const replaced = leaves.map((leaf) => {
      const value = values[next++];
      if (leaf instanceof Variable && value) cells.push({ cell: leaf, value });
      return leaf instanceof Variable ? leaf : value;
    });
    return unflatten(def, replaced, { keepObjects: true });
  });
  const bindFrom = (index: number): R => {
    const bound = cells[index];
    return bound ? bound.cell.withValue(bound.value, () => bindFrom(index + 1)) : body(rebuilt);
  };
  return bindFrom(0);
}

function differentiableLeaves(args: readonly Argument[], where: string): Tensor[] {
  return args.flatMap(({ leaves }, k) =>
    leaves.map((leaf) => {
      const tensor = asTensor(isHolder(leaf) ? leaf.value : leaf, where);
      if (!isDifferentiable(tensor)) {
        throw new DTypeError(
          `${where}: argument ${k} holds ${formatAval(tensor)}, which has no derivative. Convert it with .astype("float32"), ` +
            `or leave the argument out of argnums.`,
        );
      }
      return tensor;
    }),
  );
}

function run(f: Differentiable, args: readonly unknown[], options: GradOptions, where: string) {
  const { argnums = 0, hasAux = false } = options;
  const wanted = typeof argnums === "number" ? [argnums] : argnums;
  for (const k of wanted) {
    if (!Number.isInteger(k) || k < 0 || k >= args.length) {
      throw new ValueError(`${where}: argnums names argument ${k}; received ${args.length} argument(s).`);
    }
  }
  const parts = wanted.map((k): Argument => flatten(args[k]));
  const points = differentiableLeaves(parts, where);
  const linearized = linearizeAt<unknown>(
    points,
    (inputs) =>
      callWith(parts, inputs, (rebuilt) => {
        const all = [...args];
        wanted.forEach((k, i) => {
          all[k] = rebuilt[i];
        });
        const result = returned(f(...(all as never[])), where);
        const loss = hasAux && Array.isArray(result) ? result[0] : result;
        return { result, outputs: [checkLoss(loss, where)] };
      }),
    (lower, result) => lowerTree(result, lower),
  );
  const [loss] = linearized.outputs;
  if (!loss) throw new NagareError(`${where}: the function returned nothing.`);
  const cotangents = linearized.backward([builder.full({ shape: loss.shape, dtype: loss.dtype, value: 1 })]);
  const gradients = cotangents.map(materialize);
  let next = 0;
  const trees = parts.map(({ def, leaves }) => {
    const own = gradients.slice(next, next + leaves.length);
    next += leaves.length;
    return unflatten(def, own);
  });
  return { value: linearized.result, gradient: typeof argnums === "number" ? trees[0] : trees };
}

function checkLoss(loss: unknown, where: string): Tensor {
  if (!(loss instanceof Tensor) && typeof loss !== "number") {
    throw new ValueError(
      `${where}: the function must return a scalar tensor; received ${typeof loss}. With extra results, pass { hasAux: true } and return [loss, extra].`,
    );
  }
  const tensor = asTensor(loss, where);
  if (tensor.rank !== 0 || !isDifferentiable(tensor)) {
    throw new ShapeError(
      `${where}: the function must return a scalar of a float dtype; received ${formatAval(tensor)}. Reduce it with .sum() or .mean(), or use ng.vjp.`,
    );
  }
  return tensor;
}

/** The tree with every traced leaf replaced by the value below the trace. */
function lowerTree(tree: unknown, lower: (x: Tensor) => Tensor): unknown {
  const { leaves, def } = flatten(tree);
  return unflatten(
    def,
    leaves.map((leaf) => (leaf instanceof Tensor ? lower(leaf) : leaf)),
  );
}

/**
 * The function that returns the gradient of `f`, a tree like the argument(s) `argnums` names.
 * `f` returns a scalar. Arguments may be trees, variables and modules.
 * @example
 * const slope = ng.grad((x) => x.mul(x).sum());
 * slope(ng.tensor([1, 2])).toArray(); // [2, 4]
 */
export function grad<F extends Differentiable>(
  f: F,
  options: GradOptions = {},
): (...args: Parameters<F>) => GradientOf<Parameters<F>[0]> {
  return (...args) => run(f, args, options, "grad").gradient as GradientOf<Parameters<F>[0]>;
}

/**
 * The function that returns both f's result and its gradient, at the cost of the gradient.
 * @example
 * const [loss, gradient] = ng.valueAndGrad((w) => w.square().sum())(ng.tensor([1, 2]));
 */
export function valueAndGrad<F extends Differentiable>(
  f: F,
  options: GradOptions = {},
): (...args: Parameters<F>) => [ReturnType<F>, GradientOf<Parameters<F>[0]>] {
  return (...args) => {
    const { value, gradient } = run(f, args, options, "valueAndGrad");
    return [value as ReturnType<F>, gradient as GradientOf<Parameters<F>[0]>];
  };
}

function linearizeTree<A extends readonly unknown[], R>(f: (...args: A) => R, primals: A, where: string) {
  const argument = flatten(primals);
  const points = differentiableLeaves([argument], where);
  let structure: TreeDef | undefined;
  const linearized: Linearized<R> = linearizeAt<R>(
    points,
    (inputs) =>
      callWith([argument], inputs, ([args]) => {
        const result = returned(f(...(args as A)), where);
        const { leaves, def } = flatten(result);
        structure = def;
        return { result, outputs: tensorLeaves(leaves, where) };
      }),
    (lower, result) => lowerTree(result, lower) as R,
  );
  if (!structure) throw new NagareError(`${where}: the function did not return.`);
  return { linearized, points, argument, structure };
}

/**
 * The value of `f` and the function that pulls a cotangent of the result back to the arguments.
 * @example
 * const [y, pullback] = ng.vjp((x) => x.sin(), ng.tensor([0, 1]));
 * const [dx] = pullback(ng.ones([2]));
 */
export function vjp<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...primals: A
): [R, (cotangent: R) => { [K in keyof A]: GradientOf<A[K]> }] {
  const { linearized, argument, structure } = linearizeTree(f, primals, "vjp");
  const pullback = (cotangent: R) => {
    const given = flatten(cotangent);
    checkSameStructure(structure, given.def, "vjp");
    const cotangents = given.leaves.map((leaf, i) => asTensor(leaf, "vjp", linearized.outputs[i]?.dtype));
    checkTangents(linearized.outputs, cotangents, "vjp");
    const gradients = linearized.backward(cotangents).map(materialize);
    return unflatten(argument.def, gradients) as { [K in keyof A]: GradientOf<A[K]> };
  };
  return [linearized.result, pullback];
}

/**
 * The value of `f` and its derivative there as a linear function of tangents, which may be applied many times.
 * @example
 * const [y, push] = ng.linearize((x) => x.exp(), ng.tensor(0));
 * push(ng.tensor(2)).item(); // 2
 */
export function linearize<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  ...primals: A
): [R, (...tangents: A) => R] {
  const { linearized, points, argument, structure } = linearizeTree(f, primals, "linearize");
  const push = (...tangents: A): R => {
    const given = flatten(tangents);
    checkSameStructure(argument.def, given.def, "linearize");
    const rates = given.leaves.map((leaf, i) => asTensor(leaf, "linearize", points[i]?.dtype));
    checkTangents(points, rates, "linearize");
    return unflatten(structure, linearized.forward(rates)) as R;
  };
  return [linearized.result, push];
}
