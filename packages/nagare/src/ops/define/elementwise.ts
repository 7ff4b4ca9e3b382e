/** Makers of elementwise records: broadcasting, dtype rules, batching and the reference come from here. */
import {
  type Aval,
  dtypes as allDTypes,
  broadcastAxes,
  broadcastShapes,
  type DType,
  DTypeError,
  isFloat,
  isInteger,
  promote,
  type Shape,
  sameShape,
  type Tensor,
  type TensorLike,
} from "../../core/index.ts";
import type {
  Linearity,
  OpBuilder,
  Primitive,
  ReferenceArray,
  RuledPrimitive,
  Sample,
  ScalarRule,
} from "../../trace/index.ts";
import { asTensor } from "./constant.ts";
import { javascriptScalars } from "./javascript.ts";
import { bindOne, builder, type Callable, only, register } from "./registry.ts";

/** The parameters of an operation that has none. */
export type NoParams = Record<never, never>;
export const noParams: NoParams = Object.freeze({});

export type UnaryOp = Callable<NoParams, (x: TensorLike) => Tensor>;
export type BinaryOp = Callable<NoParams, (a: TensorLike, b: TensorLike) => Tensor>;
export type TernaryOp = Callable<NoParams, (condition: TensorLike, a: TensorLike, b: TensorLike) => Tensor>;

/** A group of dtypes an operation takes. */
export type DTypeGroup = "float" | "number" | "int" | "bits" | "bool" | "any" | readonly DType[];

/** Where tests draw operands from: one interval for all, or one for each. */
export type Domain = { readonly low: number; readonly high: number; readonly distinct?: boolean };

/** The rules of an elementwise operation on operands T. */
export interface ElementwiseRules<T extends readonly Tensor[]> {
  readonly dtypes: DTypeGroup;
  /** The dtype of the result: that of the operands, or bool. */
  readonly result?: "same" | "bool";
  readonly scalar: ScalarRule;
  /** `null`: piecewise constant, the derivative is zero wherever it exists. */
  readonly jvp: ((o: OpBuilder, primals: T, tangents: T, output: Tensor) => Tensor) | null;
  readonly linear?: Linearity;
  readonly transpose?: (
    o: OpBuilder,
    cotangent: Tensor,
    index: number,
    /** The operand at `index` is unknown here, and in a "joint" operation every linear one: rules read the others. */
    inputs: T,
  ) => Tensor;
  readonly domain: Domain | readonly Domain[];
}

/** The dtypes of a group, in the order of dtype codes. */
export function dtypesOf(group: DTypeGroup): readonly DType[] {
  if (typeof group !== "string") return group;
  return allDTypes.filter((dtype) => {
    switch (group) {
      case "float":
        return isFloat(dtype);
      case "int":
        return isInteger(dtype);
      case "bits":
        return dtype === "int32" || dtype === "int64";
      case "number":
        return dtype !== "bool";
      case "bool":
        return dtype === "bool";
      case "any":
        return true;
    }
    return false;
  });
}

/** Throws DTypeError unless `dtype` is one of those the operation takes. */
export function checkOperandDType(name: string, dtype: DType, accepted: readonly DType[]): void {
  if (!accepted.includes(dtype)) {
    throw new DTypeError(
      `${name}: expected one of ${accepted.join(", ")}; received ${dtype}. Convert it with .astype(…).`,
    );
  }
}

/** Sums a cotangent over the axes that broadcasting added or stretched, back to the operand's shape. */
export function sumTo(o: OpBuilder, cotangent: Tensor, shape: Shape): Tensor {
  if (sameShape(cotangent.shape, shape)) return cotangent;
  const { added, stretched } = broadcastAxes(shape, cotangent.shape);
  const axes = [...Array.from({ length: added }, (_, i) => i), ...stretched];
  const summed = axes.length > 0 ? o.reduceSum(cotangent, { axes }) : cotangent;
  return sameShape(summed.shape, shape) ? summed : o.reshape(summed, { shape });
}

/** Lines up the per-example axes of operands of different ranks behind the mapped axis in front. */
export function alignMapped(o: OpBuilder, inputs: readonly Tensor[], mapped: readonly boolean[]): Tensor[] {
  const rank = Math.max(...inputs.map((input, i) => input.rank - (mapped[i] ? 1 : 0)));
  return inputs.map((input, i) => {
    const missing = rank + 1 - input.rank;
    const [size] = input.shape;
    if (!mapped[i] || missing === 0 || size === undefined) return input;
    return o.reshape(input, {
      shape: [size, ...new Array<number>(missing).fill(1), ...input.shape.slice(1)],
    });
  });
}

/** The element offsets at which each output element finds its operand, for a broadcast operand. */
function broadcastIndex(from: readonly number[], to: readonly number[]): (index: number) => number {
  if (sameShape(from, to)) return (index) => index;
  const added = to.length - from.length;
  return (index) => {
    let rest = index;
    let offset = 0;
    let stride = 1;
    for (let axis = to.length - 1; axis >= added; axis--) {
      const size = to[axis] ?? 1;
      const own = from[axis - added] ?? 1;
      if (own !== 1) offset += (rest % size) * stride;
      stride *= own;
      rest = Math.floor(rest / size);
    }
    return offset;
  };
}

function evaluateScalars(
  rule: ScalarRule,
  inputs: readonly ReferenceArray[],
  computed: DType,
  shape: readonly number[],
): ArrayLike<number | bigint> {
  const size = shape.reduce((a, b) => a * b, 1);
  const indices = inputs.map((input) => broadcastIndex(input.shape, shape));
  const results = new Array<number | bigint>(size);
  const evaluate = rule as (e: unknown, ...operands: (number | bigint)[]) => number | bigint;
  const scalars = javascriptScalars(computed);
  for (let i = 0; i < size; i++) {
    const operands = inputs.map((input, k) => {
      const element = input.data[indices[k]?.(i) ?? 0] ?? 0;
      return computed === "int64" ? BigInt(element) : Number(element);
    });
    results[i] = evaluate(scalars, ...operands);
  }
  return results;
}

function elementwise<T extends readonly Tensor[]>(
  name: string,
  arity: number,
  rules: ElementwiseRules<T>,
  self: () => Primitive<NoParams>,
  firstIsCondition = false,
): RuledPrimitive<NoParams> {
  const accepted = dtypesOf(rules.dtypes);
  const values = firstIsCondition ? arity - 1 : arity;
  const computedDType = (inputs: readonly Aval[]): DType => inputs[arity - 1]?.dtype ?? "float32";
  const { transpose, jvp } = rules;
  return {
    name,
    dtypes: accepted,
    scalar: rules.scalar,
    linear: rules.linear,
    abstract(inputs) {
      const dtype = computedDType(inputs);
      checkOperandDType(name, dtype, accepted);
      let widest = inputs[0]?.shape ?? [];
      let alike = true;
      for (let i = 0; i < inputs.length; i++) {
        const input = inputs[i];
        const expected = firstIsCondition && i === 0 ? "bool" : dtype;
        if (input && input.dtype !== expected) {
          throw new DTypeError(
            `${name}: expected operand ${i} to be ${expected}; received ${input.dtype}. Convert it with .astype("${expected}").`,
          );
        }
        if (input && input.shape !== widest && input.shape.length > 0) {
          if (widest.length > 0) alike = false;
          widest = input.shape;
        }
      }
      // Every eager operation comes through here: equal shapes and scalars, the usual cases, make no garbage.
      const shape = alike
        ? widest
        : broadcastShapes(
            inputs.map((input) => input.shape),
            name,
          );
      return [{ shape, dtype: rules.result === "bool" ? "bool" : dtype }];
    },
    jvp(o, primals, tangents, _params, outputs) {
      const [output] = outputs;
      return [
        jvp === null || !output ? null : jvp(o, primals as unknown as T, tangents as unknown as T, output),
      ];
    },
    transpose: transpose
      ? (o, cotangents, index, inputs, _params, operand) =>
          sumTo(o, transpose(o, only(cotangents, name), index, inputs as unknown as T), operand.shape)
      : undefined,
    batch(o, inputs, mapped) {
      return [bindOne(self(), alignMapped(o, inputs, mapped), noParams)];
    },
    reference(inputs, _params, outputs) {
      const shape = (outputs[0]?.shape ?? []) as readonly number[];
      return [evaluateScalars(rules.scalar, inputs, computedDType(inputs), shape)];
    },
    samples() {
      const domains = Array.isArray(rules.domain)
        ? (rules.domain as readonly Domain[])
        : new Array<Domain>(values).fill(rules.domain as Domain);
      const shapes: readonly (readonly number[])[][] =
        values === 1
          ? [[[2, 3]], [[]], [[5]], [[0, 2]]]
          : [
              [
                [2, 3],
                [2, 3],
              ],
              [[2, 3], [3]],
              [
                [2, 1],
                [1, 3],
              ],
              [[], [4]],
              [[2, 0], [1]],
            ];
      return shapes.map((operands): Sample<NoParams> => {
        const inputs = operands.map((shape, i) => ({ shape, ...domains[i] }));
        const condition = { shape: operands[0] ?? [], dtype: "bool" as const };
        return { inputs: firstIsCondition ? [condition, ...inputs] : inputs, params: noParams };
      });
    },
  };
}

/** A record of one operand. `jvp: null` where the derivative is zero almost everywhere. */
export function unary(name: string, rules: ElementwiseRules<readonly [Tensor]>): UnaryOp {
  const op: UnaryOp = register(
    elementwise(name, 1, rules, () => op),
    (x: TensorLike): Tensor => bindOne(op, [asTensor(x, name)], noParams),
  );
  return op;
}

function converted(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : builder.convert(x, { dtype });
}

/** Two operands as tensors of the dtype in which they meet. */
export function promoteOperands(a: TensorLike, b: TensorLike, name: string): [Tensor, Tensor] {
  const isWeak = (x: TensorLike) => typeof x !== "object";
  const first = isWeak(a) && !isWeak(b) ? undefined : asTensor(a, name);
  const y = asTensor(b, name, first?.dtype);
  const x = first ?? asTensor(a, name, y.dtype);
  if (x.dtype === y.dtype) return [x, y];
  const dtype = promote(x.dtype, y.dtype, name);
  return [converted(x, dtype), converted(y, dtype)];
}

/** A record of two operands, which broadcast and meet in one dtype. */
export function binary(name: string, rules: ElementwiseRules<readonly [Tensor, Tensor]>): BinaryOp {
  const op: BinaryOp = register(
    elementwise(name, 2, rules, () => op),
    (a: TensorLike, b: TensorLike): Tensor => bindOne(op, promoteOperands(a, b, name), noParams),
  );
  return op;
}

/** A record of a bool condition and two operands. */
export function conditional(
  name: string,
  rules: ElementwiseRules<readonly [Tensor, Tensor, Tensor]>,
): TernaryOp {
  const op: TernaryOp = register(
    elementwise(name, 3, rules, () => op, true),
    (condition: TensorLike, a: TensorLike, b: TensorLike): Tensor => {
      const [x, y] = promoteOperands(a, b, name);
      return bindOne(op, [asTensor(condition, name), x, y], noParams);
    },
  );
  return op;
}
