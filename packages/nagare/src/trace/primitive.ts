/** What a primitive operation is: the one record that holds everything known about it. */
import type { Aval, Dim, DType, Shape, Tensor, TypedArray } from "../core/index.ts";
import type { ScalarRule } from "./scalar.ts";

/** A parameter of an operation: plain data that prints, compares and saves as JSON (dimensions may be symbols). */
export type Param =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  | readonly Param[]
  | { readonly [key: string]: Param };

/** The parameters of an operation, by name. */
export interface Params {
  readonly [name: string]: Param;
}

/**
 * Every primitive by name, as functions on tensors: what rules are written with. Family files add their records by
 * declaration merging, so that rule files import no other operations.
 */
// biome-ignore lint/suspicious/noEmptyInterface: family files extend it
export interface OpBuilder {}

/** A concrete operand or result of a reference implementation: elements in row-major order. */
export interface ReferenceArray {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** float16 and bfloat16 arrive as Float32Array; results are rounded on the way out. */
  readonly data: TypedArray;
}

/** One generated test case: concrete operand shapes and dtypes, and the parameters. */
export interface Sample<P> {
  readonly inputs: readonly SampleInput[];
  readonly params: P;
}

/** How tests draw one operand. Derivatives must exist and not vanish over the domain. */
export interface SampleInput {
  readonly shape: readonly number[];
  /** A fixed dtype, for operands (indices, conditions, keys) that do not follow the case's dtype. */
  readonly dtype?: DType;
  /** Whether it holds what the operation computes in: float32 where the case's dtype is a half. */
  readonly computed?: boolean;
  readonly low?: number;
  readonly high?: number;
  /** Draws distinct, well separated values, so that a maximum has no ties within a finite difference. */
  readonly distinct?: boolean;
}

/** What one application of an operation costs at least. */
export interface Cost {
  /** Arithmetic operations; a multiplication and the addition of its product are two. */
  readonly flops: number;
  /** Memory that is read or written. */
  readonly bytes: number;
}

/** Which operands an operation is linear in: each alone with the others fixed, or all of them together. */
export interface Linearity {
  readonly kind: "each" | "joint";
  readonly operands: "all" | readonly number[];
}

/** What the reverse rule of a fused operation is given. */
export interface Pullback {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** One for each result; undefined where nothing depends on that result. */
  readonly cotangents: readonly (Tensor | undefined)[];
  /** Which operands need a cotangent: what is made for others is thrown away. */
  readonly wanted: readonly boolean[];
}

/**
 * A primitive, or a fused operation, which says what it means by `decompose` and may have a kernel of its own on some
 * backends. Rules take and return lists, in the order of operands and results. A fused operation needs none of `jvp`,
 * `batch` and `reference`: those of its decomposition stand for them. Everywhere else a missing rule is an error when a
 * transform needs it, never a silent zero.
 */
export interface Primitive<P extends Params = Params> {
  readonly name: string;
  /** The dtypes that the generated tests run (those of the first operand that follows the case's dtype). */
  readonly dtypes: readonly DType[];
  /** Shapes and dtypes of the results. Throws ShapeError or DTypeError when the operands do not fit. */
  abstract(inputs: readonly Aval[], params: P): Aval[];
  /** Tangents of the results. `null` results have no tangent. */
  jvp?(
    o: OpBuilder,
    primals: readonly Tensor[],
    tangents: readonly Tensor[],
    params: P,
    outputs: readonly Tensor[],
  ): (Tensor | null)[];
  readonly linear?: Linearity;
  /**
   * The cotangent of operand `index`, in which the operation is linear. Operands that are tangents are undefined in
   * `inputs`: that one and, where the operation is linear in several jointly, perhaps others. `operands` has all shapes.
   */
  transpose?(
    o: OpBuilder,
    cotangents: readonly Tensor[],
    index: number,
    inputs: readonly (Tensor | undefined)[],
    params: P,
    operand: Aval,
    operands: readonly Aval[],
  ): Tensor;
  /** One more axis, in front: `mapped[i]` says whether operand i has it. Every result has it. */
  batch?(o: OpBuilder, inputs: readonly Tensor[], mapped: readonly boolean[], size: Dim, params: P): Tensor[];
  /** The definition of the operation. Results come back as plain arrays of elements. */
  reference?(
    inputs: readonly ReferenceArray[],
    params: P,
    outputs: readonly Aval[],
  ): ArrayLike<number | bigint>[];
  /** Present when the operation is elementwise: what fuses, on every backend. */
  readonly scalar?: ScalarRule;
  /** A fused operation's meaning in other operations; it runs wherever there is no kernel for the whole. */
  decompose?(o: OpBuilder, inputs: readonly Tensor[], params: P): readonly Tensor[];
  /** An operation that graphs have the decomposition of. */
  readonly inline?: boolean;
  /** A composition that eager execution runs as one compiled program, forward and in reverse; other traces see what it is made of. */
  readonly compiled?: boolean;
  /**
   * The cotangents of a fused operation's operands, `null` for one that has none, where that is better than going back
   * through the decomposition. Undefined as a whole: for these cotangents it is not.
   */
  vjp?(o: OpBuilder, pullback: Pullback, params: P): readonly (Tensor | null)[] | undefined;
  /**
   * What profiles count, for concrete shapes. What is left out is derived: the arithmetic of `scalar` or of the
   * decomposition, otherwise none; the bytes of operands and results.
   */
  cost?(inputs: readonly Aval[], params: P, outputs: readonly Aval[]): Partial<Cost>;
  /** Cases for the generated tests: small shapes, every parameter at work. */
  samples(): readonly Sample<P>[];
}

/** A primitive with all rules of its own: what is not a fused operation. */
export type RuledPrimitive<P extends Params = Params> = Primitive<P> &
  Required<Pick<Primitive<P>, "jvp" | "batch" | "reference">>;

/** A shape parameter, which may hold symbolic dimensions. */
export type ShapeParam = Shape & readonly Param[];
