/** The maker of fused operations: composites that may have a kernel of their own. */
import type { Aval, Dim, Tensor } from "../../core/index.ts";
import {
  bind,
  type Cost,
  type OpBuilder,
  type Params,
  type Primitive,
  type Pullback,
  type Sample,
} from "../../trace/index.ts";
import { checkOperandDType, type DTypeGroup, dtypesOf } from "./elementwise.ts";
import { type Callable, register } from "./registry.ts";
import type { AvalsOf, MappedOf } from "./structural.ts";

/** A fused operation: operands as a list, results as a list. */
export type FusedOp<P extends Params, T extends readonly Tensor[]> = Callable<
  P,
  (inputs: T, params: P) => readonly Tensor[],
  Primitive<P>
>;

/** What a reverse rule is given, with the operands by position. */
export type PullbackOf<T extends readonly Tensor[]> = Omit<Pullback, "inputs"> & { readonly inputs: T };

/** The rules of a fused operation on operands T. */
export interface FusedRules<P extends Params, T extends readonly Tensor[]> {
  readonly dtypes: DTypeGroup;
  /** Which operand the dtype check and the generated dtypes follow (default 0). */
  readonly follows?: number;
  readonly abstract: (inputs: AvalsOf<T>, params: P) => readonly Aval[];
  /** What the operation means. Derivatives, batching and the reference follow from it. */
  readonly decompose: (o: OpBuilder, inputs: T, params: P) => readonly Tensor[];
  /** Reverse mode in fewer passes than through the decomposition; see `Primitive.vjp`. */
  readonly vjp?: (o: OpBuilder, pullback: PullbackOf<T>, params: P) => readonly (Tensor | null)[] | undefined;
  /** Default: the decomposition, batched. Given where the kernel takes another axis in front as it is. */
  readonly batch?: (o: OpBuilder, inputs: T, mapped: MappedOf<T>, params: P, size: Dim) => readonly Tensor[];
  /** What profiles count where it is neither the decomposition's arithmetic nor all of the operands and results. */
  readonly cost?: (inputs: AvalsOf<T>, params: P, outputs: readonly Aval[]) => Partial<Cost>;
  readonly samples: () => readonly Sample<P>[];
}

/** Registers a fused operation. */
export function fused<P extends Params, T extends readonly Tensor[]>(
  name: string,
  rules: FusedRules<NoInfer<P>, NoInfer<T>>,
): FusedOp<P, T> {
  const accepted = dtypesOf(rules.dtypes);
  const { vjp, batch } = rules;
  const record: Primitive<P> = {
    name,
    dtypes: accepted,
    abstract(inputs, params) {
      const followed = inputs[rules.follows ?? 0];
      if (followed) checkOperandDType(name, followed.dtype, accepted);
      return [...rules.abstract(inputs as unknown as AvalsOf<T>, params)];
    },
    decompose: (o, inputs, params) => rules.decompose(o, inputs as unknown as T, params),
    vjp: vjp ? (o, pullback, params) => vjp(o, pullback as unknown as PullbackOf<T>, params) : undefined,
    batch: batch
      ? (o, inputs, mapped, size, params) => [
          ...batch(o, inputs as unknown as T, mapped as unknown as MappedOf<T>, params, size),
        ]
      : undefined,
    cost: (inputs, params, outputs) => rules.cost?.(inputs as unknown as AvalsOf<T>, params, outputs) ?? {},
    samples: rules.samples,
  };
  const op: FusedOp<P, T> = register<P, (inputs: T, params: P) => readonly Tensor[], Primitive<P>>(
    record,
    (inputs, params) => bind(op, inputs, params),
  );
  return op;
}
