/** Checks of values: the shape rule, backends against the reference, compiled against eager. */
import assert from "node:assert/strict";
import * as ng from "nagare";
import {
  type Aval,
  allocate,
  builder,
  type ConcreteTensor,
  concreteSize,
  type DType,
  DTypeError,
  dtypes,
  evaluateReference,
  formatAval,
  isFloat,
  type Primitive,
  type Tensor,
} from "nagare/backend";
import { apply, type Case } from "./cases.ts";
import { assertClose, toleranceOf } from "./compare.ts";
import { tensorOf } from "./draw.ts";

/** What the definition makes, before anything is brought to the declared shapes. */
function definedElements({ op, inputs, params }: Case, avals: readonly Aval[]): ArrayLike<number | bigint>[] {
  if (!op.reference) return evaluateReference(op, inputs, params).map((result) => result.dataSync());
  const arrays = inputs.map((input) => ({
    shape: input.shape as readonly number[],
    dtype: input.dtype,
    data: input.dataSync(),
  }));
  return op.reference(arrays, params, avals);
}

/** The shape rule says what the definition computes, and what the backend at hand stores. */
export function checkShapeRule(test: Case): void {
  const { op, inputs, params, label } = test;
  const avals = op.abstract(inputs, params);
  const defined = definedElements(test, avals);
  const results = apply(test, inputs);
  assert.equal(defined.length, avals.length, `${label}: number of results`);
  avals.forEach((aval, i) => {
    const result = results[i];
    const size = concreteSize(aval.shape);
    assert.equal(
      defined[i]?.length,
      size,
      `${label}: elements that the definition makes for ${formatAval(aval)}`,
    );
    assert.equal(result && formatAval(result), formatAval(aval), `${label}: the result`);
    const stored = (result as ConcreteTensor).storage.readSync();
    assert.equal(stored.length, size, `${label}: stored elements of ${formatAval(aval)}`);
    assert.equal(
      stored.constructor,
      allocate(aval.dtype, 0).constructor,
      `${label}: the typed array of ${aval.dtype}`,
    );
  });
}

/** The backend at hand gives what the definition gives. */
export function checkAgainstReference(test: Case): void {
  const expected = evaluateReference(test.op, test.inputs, test.params);
  assertAllClose(test.op, apply(test, test.inputs), expected, test.label);
}

/** Below every element that a sample draws: a maximum with it changes nothing, and no pass may know. */
const floor = -1e4;

/**
 * Compiling changes nothing: the operation alone, and between two others with which it may fuse. Those are exact in
 * every dtype, because fused code may round its intermediate results less often than eager code.
 */
export function checkJit(test: Case): void {
  const alone = (...xs: Tensor[]): Tensor[] => apply(test, xs);
  const amid = (...xs: Tensor[]): Tensor[] => {
    const results = apply(
      test,
      xs.map((x) => (isFloat(x.dtype) ? builder.maximum(x, floor) : x)),
    );
    return results.map((result) => (isFloat(result.dtype) ? builder.mul(result, 2) : result));
  };
  for (const f of [alone, amid]) {
    const compiled = ng.jit(f);
    const expected = f(...test.inputs);
    assertAllClose(test.op, compiled(...test.inputs), expected, `${test.label}, compiled`);
    assertAllClose(test.op, compiled(...test.inputs), expected, `${test.label}, compiled, called again`);
  }
}

function assertAllClose(
  op: Primitive,
  actual: readonly Tensor[],
  expected: readonly Tensor[],
  label: string,
): void {
  assert.equal(actual.length, expected.length, `${label}: number of results`);
  expected.forEach((wanted, i) => {
    assertClose(actual[i] ?? wanted, wanted, toleranceOf(op, wanted.dtype), label);
  });
}

/** The dtypes that an operation with operands must refuse. */
export function refusedDTypes(op: Primitive): readonly DType[] {
  const hasOperands = op.samples().some(({ inputs }) => inputs.length > 0);
  return hasOperands ? dtypes.filter((dtype) => !op.dtypes.includes(dtype)) : [];
}

/** An operand of a dtype that the operation does not take is refused by name, before anything is computed. */
export function checkRefusesOtherDTypes(op: Primitive): void {
  const [sample] = op.samples();
  const [accepted = ""] = op.dtypes;
  for (const dtype of refusedDTypes(op)) {
    const avals = (sample?.inputs ?? []).map((input) => ({
      shape: input.shape,
      dtype: input.dtype ?? dtype,
    }));
    assert.throws(
      () => op.abstract(avals, sample?.params ?? {}),
      (error: unknown) => {
        assert.ok(
          error instanceof DTypeError,
          `${op.name} on ${dtype}: expected a DTypeError; received ${String(error)}`,
        );
        for (const word of [op.name, dtype, accepted])
          assert.match(error.message, new RegExp(`\\b${word}\\b`));
        return true;
      },
    );
  }
}

/** Where kernels go wrong: special values, the ends of the range, ties of rounding. */
const floatEdges: readonly number[] = [
  0,
  0.5,
  1,
  1.5,
  2.5,
  3,
  1e-8,
  1e-3,
  20,
  88.7,
  104,
  710,
  1e4,
  Number.POSITIVE_INFINITY,
  Number.NaN,
].flatMap((x) => [x, -x]);
const ends: { readonly [D in DType]?: readonly number[] } = {
  float32: [2 ** -149, 2 ** -126, (2 - 2 ** -23) * 2 ** 127].flatMap((x) => [x, -x]),
  float64: [Number.MIN_VALUE, 2 ** -1022, Number.MAX_VALUE].flatMap((x) => [x, -x]),
  float16: [2 ** -24, 2 ** -14, 65504].flatMap((x) => [x, -x]),
  bfloat16: [2 ** -133, 2 ** -126, (2 - 2 ** -7) * 2 ** 127].flatMap((x) => [x, -x]),
  int8: [-128, -127, 127],
  uint8: [128, 255],
  int32: [-(2 ** 31), 1 - 2 ** 31, 2 ** 31 - 1],
};
const longEnds: readonly bigint[] = [
  -(2n ** 63n),
  1n - 2n ** 63n,
  2n ** 63n - 1n,
  2n ** 32n,
  -(2n ** 40n) + 1n,
];

function edgesOf(dtype: DType): readonly (number | bigint)[] {
  if (dtype === "bool") return [0, 1];
  if (isFloat(dtype)) return [...floatEdges, ...(ends[dtype] ?? [])];
  const small = dtype === "uint8" ? [0, 1, 2, 3, 7, 40] : [-7, -3, -1, 0, 1, 2, 3, 7, 40];
  return dtype === "int64" ? [...small.map(BigInt), ...longEnds] : [...small, ...(ends[dtype] ?? [])];
}

/** An elementwise operation agrees with its definition on every combination of special values. */
export function checkSpecialValues(op: Primitive, dtype: DType): void {
  const edges = edgesOf(dtype);
  const [sample] = op.samples();
  const operands = sample?.inputs ?? [];
  const followers = operands.filter((operand) => operand.dtype === undefined).length;
  const size = edges.length ** followers;
  let digit = 1;
  const inputs = operands.map((operand) => {
    if (operand.dtype === "bool")
      return tensorOf(
        Array.from({ length: size }, (_, i) => i % 2),
        [size],
        "bool",
      );
    const period = digit;
    digit *= edges.length;
    const values = Array.from({ length: size }, (_, i) => edges[Math.floor(i / period) % edges.length] ?? 0);
    return tensorOf(values as number[], [size], dtype);
  });
  const label = `${op.name} on special values of ${dtype}`;
  assertAllClose(op, apply({ op, params: {} }, inputs), evaluateReference(op, inputs, {}), label);
}
