/** Vectorization: a function of one example becomes a function of a batch, without a loop. */
import {
  type Aval,
  type Dim,
  flatten,
  formatAval,
  formatDim,
  isLeaf,
  normalizeAxis,
  ShapeError,
  type Tensor,
  UnsupportedError,
  unflatten,
  ValueError,
} from "../core/index.ts";
import { asTensor, builder, type Params, type Primitive } from "../ops/index.ts";
import { bind, returned, Trace, Tracer, withTrace } from "../trace/index.ts";

/** A batch of values behind the face of one of them: the mapped axis comes first and is not part of the shape. */
class BatchTracer extends Tracer {
  readonly batch: Tensor;

  constructor(trace: Trace, batch: Tensor) {
    super(trace, { shape: batch.shape.slice(1), dtype: batch.dtype });
    this.batch = batch;
  }
}

class BatchTrace extends Trace {
  readonly transform = "vmap";
  readonly size: Dim;

  constructor(level: number, size: Dim) {
    super(level);
    this.size = size;
  }

  process<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor[] {
    const mapped = inputs.map((input) => input instanceof BatchTracer && input.trace === this);
    const operands = inputs.map((input, i) => (mapped[i] ? (input as BatchTracer).batch : input));
    if (!mapped.includes(true)) return bind(op, operands, params);
    if (op.compiled && op.decompose) return [...op.decompose(builder, inputs, params)];
    // Batching rules may fold examples into counts that cannot be 0, such as groups of channels.
    if (this.size === 0) return op.abstract(inputs, params).map((aval) => this.#empty(aval));
    if (op.batch) {
      return op
        .batch(builder, operands, mapped, this.size, params)
        .map((output) => new BatchTracer(this, output));
    }
    const results = op.decompose?.(builder, inputs, params);
    if (!results) {
      throw new UnsupportedError(
        `vmap: ${op.name} has neither a batching rule nor a decomposition, so that it cannot be mapped.`,
      );
    }
    return [...results];
  }

  #empty({ shape, dtype }: Aval): BatchTracer {
    return new BatchTracer(this, builder.full({ shape: [0, ...shape], dtype, value: 0 }));
  }
}

/** An axis for every leaf, one for all of an argument, or null where an argument is not mapped. */
export type Axes = number | null | readonly (Axes | undefined)[] | { readonly [key: string]: Axes };

/** Options of `vmap`. */
export interface VmapOptions {
  /** The mapped axis of each argument: one for all, or a list; `null` hands an argument to every example. Default 0. */
  readonly inAxes?: number | null | readonly Axes[];
  /** Where the mapped axis stands in the results. Default 0. */
  readonly outAxes?: number;
}

function moveAxis(x: Tensor, from: number, to: number): Tensor {
  if (from === to) return x;
  const permutation = x.shape.map((_, i) => i).filter((axis) => axis !== from);
  permutation.splice(to, 0, from);
  return builder.transpose(x, { permutation });
}

/** The axis of each leaf of a tree, by walking the axes beside it. */
function leafAxes(tree: unknown, axes: Axes | undefined, where: string): (number | null)[] {
  if (axes === null || typeof axes === "number") return flatten(tree).leaves.map(() => axes);
  if (isLeaf(tree) || typeof tree !== "object" || tree === null) {
    throw new ValueError(
      `${where}: expected a number or null as the axis of a leaf; received ${JSON.stringify(axes)}.`,
    );
  }
  // Records flatten by sorted key, so that their axes are read in the same order.
  const keys = Array.isArray(tree) ? Object.keys(tree) : Object.keys(tree).sort();
  return keys.flatMap((key) => {
    const own = (axes as Record<string, Axes> | undefined)?.[key];
    return leafAxes((tree as Record<string, unknown>)[key], own === undefined ? 0 : own, where);
  });
}

/**
 * The function that applies `f` to every example along an axis of its arguments at once.
 * Throws ShapeError when the mapped axes differ in size, ValueError when no argument is mapped.
 * @example
 * const dots = ng.vmap((a, b) => a.mul(b).sum());
 * dots(ng.ones([8, 3]), ng.ones([8, 3])).shape; // [8]
 */
export function vmap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: VmapOptions = {},
): (...args: A) => R {
  const { inAxes = 0, outAxes = 0 } = options;
  return (...args) => {
    if (Array.isArray(inAxes) && inAxes.length !== args.length) {
      throw new ValueError(`vmap: inAxes names ${inAxes.length} argument(s); received ${args.length}.`);
    }
    const { leaves, def } = flatten(args);
    const axes = args.flatMap((arg, i) =>
      leafAxes(arg, Array.isArray(inAxes) ? inAxes[i] : (inAxes as number | null), "vmap"),
    );
    let size: Dim | undefined;
    const tensors = leaves.map((leaf, i) => {
      const tensor = asTensor(leaf, "vmap");
      const axis = axes[i];
      if (axis === null || axis === undefined) return { tensor, mapped: false };
      const front = moveAxis(tensor, normalizeAxis(axis, tensor.rank, "vmap"), 0);
      const own = front.shape[0] ?? 0;
      if (size !== undefined && own !== size) {
        throw new ShapeError(
          `vmap: the mapped axes must have one size; received ${formatDim(size)} and ${formatDim(own)} (leaf ${i}, ${formatAval(tensor)}).`,
        );
      }
      size = own;
      return { tensor: front, mapped: true };
    });
    if (size === undefined)
      throw new ValueError("vmap: expected at least one mapped argument; every axis is null.");
    const mappedSize = size;
    return withTrace(
      (level) => new BatchTrace(level, mappedSize),
      (trace) => {
        const inputs = tensors.map(({ tensor, mapped }) =>
          mapped ? new BatchTracer(trace, tensor) : tensor,
        );
        const result = flatten(returned(f(...(unflatten(def, inputs) as A)), "vmap"));
        const outputs = result.leaves.map((leaf) => {
          const output = asTensor(leaf, "vmap");
          const batch =
            output instanceof BatchTracer && output.trace === trace
              ? output.batch
              : builder.broadcastTo(output, { shape: [mappedSize, ...output.shape] });
          return moveAxis(batch, 0, normalizeAxis(outAxes, batch.rank, "vmap"));
        });
        return unflatten(result.def, outputs) as R;
      },
    );
  };
}
