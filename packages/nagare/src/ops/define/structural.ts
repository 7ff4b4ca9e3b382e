/** The maker of records that are not elementwise: one result, tensors first, parameters last. */
import { type Aval, type Dim, type DType, NagareError, type Tensor } from "../../core/index.ts";
import type {
  Cost,
  Linearity,
  OpBuilder,
  Params,
  Primitive,
  ReferenceArray,
  RuledPrimitive,
  Sample,
} from "../../trace/index.ts";
import { checkOperandDType, type DTypeGroup, dtypesOf } from "./elementwise.ts";
import { bindOne, type Callable, only, register } from "./registry.ts";

/** Operations without an operand, such as `full`. */
export type SourceOp<P extends Params> = Callable<P, (params: P) => Tensor>;
export type Op1<P extends Params> = Callable<P, (x: Tensor, params: P) => Tensor>;
export type Op2<P extends Params> = Callable<P, (a: Tensor, b: Tensor, params: P) => Tensor>;
/** Operations on a list of operands, such as `concat`. */
export type ListOp<P extends Params> = Callable<P, (xs: readonly Tensor[], params: P) => Tensor>;

/** What is known of each operand before its values are. */
export type AvalsOf<T extends readonly Tensor[]> = { readonly [K in keyof T]: Aval };

/** Which operands have a mapped axis. */
export type MappedOf<T extends readonly Tensor[]> = { readonly [K in keyof T]: boolean };

/** The operands of a reference implementation. */
export type ArraysOf<T extends readonly Tensor[]> = { readonly [K in keyof T]: ReferenceArray };

/** The rules of a primitive with one result on operands T. */
export interface StructuralRules<P extends Params, T extends readonly Tensor[]> {
  readonly dtypes: DTypeGroup;
  /** Which operand the dtype check and the generated dtypes follow (default 0). */
  readonly follows?: number;
  readonly abstract: (inputs: AvalsOf<T>, params: P) => Aval;
  /**
   * The tangent of the result; `null` where it is zero almost everywhere. Left out, an operation linear in operands of
   * its own is its own derivative: Σ over those operands (kind "each"), or itself on the tangents (kind "joint").
   */
  readonly jvp?: ((o: OpBuilder, primals: T, tangents: T, params: P, output: Tensor) => Tensor | null) | null;
  readonly linear?: Linearity;
  readonly transpose?: (
    o: OpBuilder,
    cotangent: Tensor,
    /** The operand at `index` is unknown here, and in a "joint" operation every linear one: rules read the others. */
    inputs: T,
    params: P,
    operand: Aval,
    index: number,
    /** Shapes and dtypes of all operands, known or not. */
    operands: AvalsOf<T>,
  ) => Tensor;
  readonly batch: (o: OpBuilder, inputs: T, mapped: MappedOf<T>, params: P, size: Dim) => Tensor;
  readonly reference: (
    inputs: ArraysOf<T>,
    params: P,
    output: { readonly shape: readonly number[]; readonly dtype: DType },
  ) => ArrayLike<number | bigint>;
  /** What profiles count; what is left out is derived (see Primitive). */
  readonly cost?: (inputs: AvalsOf<T>, params: P, output: Aval) => Partial<Cost>;
  readonly samples: () => readonly Sample<P>[];
}

/** The operands in which an operation is linear, as indices. */
export function linearOperands(op: Primitive, count: number): readonly number[] {
  const operands = op.linear?.operands ?? [];
  return operands === "all" ? Array.from({ length: count }, (_, i) => i) : operands;
}

function linearJvp<P extends Params>(
  op: Primitive<P>,
  o: OpBuilder,
  primals: readonly Tensor[],
  tangents: readonly Tensor[],
  params: P,
): Tensor {
  const operands = linearOperands(op as unknown as Primitive, primals.length);
  if (op.linear?.kind === "joint") {
    const inputs = primals.map((primal, i) => (operands.includes(i) ? (tangents[i] ?? primal) : primal));
    return bindOne(op, inputs, params);
  }
  let sum: Tensor | undefined;
  for (const k of operands) {
    const term = bindOne(
      op,
      primals.map((primal, i) => (i === k ? (tangents[k] ?? primal) : primal)),
      params,
    );
    sum = sum ? o.add(sum, term) : term;
  }
  if (!sum) throw new NagareError(`${op.name} has neither a jvp rule nor an operand in which it is linear.`);
  return sum;
}

/** Registers a primitive with one result; `spread` turns the call's arguments into operands and parameters. */
export function define<P extends Params, T extends readonly Tensor[], F extends (...args: never[]) => Tensor>(
  name: string,
  rules: StructuralRules<P, T>,
  spread: (...args: Parameters<F>) => { inputs: T; params: P },
): Callable<P, F> {
  const accepted = dtypesOf(rules.dtypes);
  const { jvp, transpose } = rules;
  const record: RuledPrimitive<P> = {
    name,
    dtypes: accepted,
    linear: rules.linear,
    abstract(inputs, params) {
      const followed = inputs[rules.follows ?? 0];
      if (followed) checkOperandDType(name, followed.dtype, accepted);
      return [rules.abstract(inputs as unknown as AvalsOf<T>, params)];
    },
    jvp(o, primals, tangents, params, outputs) {
      if (jvp === null) return [null];
      if (jvp)
        return [jvp(o, primals as unknown as T, tangents as unknown as T, params, only(outputs, name))];
      return [linearJvp(op, o, primals, tangents, params)];
    },
    transpose: transpose
      ? (o, cotangents, index, inputs, params, operand, operands) =>
          transpose(
            o,
            only(cotangents, name),
            inputs as unknown as T,
            params,
            operand,
            index,
            operands as unknown as AvalsOf<T>,
          )
      : undefined,
    batch: (o, inputs, mapped, size, params) => [
      rules.batch(o, inputs as unknown as T, mapped as unknown as MappedOf<T>, params, size),
    ],
    reference: (inputs, params, outputs) => {
      const output = only(outputs, name);
      return [
        rules.reference(inputs as unknown as ArraysOf<T>, params, {
          shape: output.shape as readonly number[],
          dtype: output.dtype,
        }),
      ];
    },
    cost: (inputs, params, outputs) =>
      rules.cost?.(inputs as unknown as AvalsOf<T>, params, only(outputs, name)) ?? {},
    samples: rules.samples,
  };
  const op: Callable<P, F> = register<P, F>(record, ((...args: Parameters<F>): Tensor => {
    const { inputs, params } = spread(...args);
    return bindOne(op, inputs, params);
  }) as unknown as F);
  return op;
}

/** A record of one operand and parameters. */
export function op1<P extends Params>(
  name: string,
  rules: StructuralRules<NoInfer<P>, readonly [Tensor]>,
): Op1<P> {
  return define<P, readonly [Tensor], (x: Tensor, params: P) => Tensor>(name, rules, (x, params) => ({
    inputs: [x],
    params,
  }));
}

/** A record of two operands and parameters. */
export function op2<P extends Params>(
  name: string,
  rules: StructuralRules<NoInfer<P>, readonly [Tensor, Tensor]>,
): Op2<P> {
  return define<P, readonly [Tensor, Tensor], (a: Tensor, b: Tensor, params: P) => Tensor>(
    name,
    rules,
    (a, b, params) => ({
      inputs: [a, b],
      params,
    }),
  );
}

/** A record without operands. */
export function source<P extends Params>(
  name: string,
  rules: StructuralRules<NoInfer<P>, readonly []>,
): SourceOp<P> {
  return define<P, readonly [], (params: P) => Tensor>(name, rules, (params) => ({ inputs: [], params }));
}

/** A record of any number of operands. */
export function listOp<P extends Params>(
  name: string,
  rules: StructuralRules<NoInfer<P>, readonly Tensor[]>,
): ListOp<P> {
  return define<P, readonly Tensor[], (xs: readonly Tensor[], params: P) => Tensor>(
    name,
    rules,
    (xs, params) => ({ inputs: xs, params }),
  );
}

/** A mapped operand as given; an unmapped one repeated along a new axis in front. */
export function broadcastMapped(o: OpBuilder, x: Tensor, mapped: boolean, size: Dim): Tensor {
  return mapped ? x : o.broadcastTo(x, { shape: [size, ...x.shape] });
}
