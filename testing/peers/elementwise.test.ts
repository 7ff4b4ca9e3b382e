import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { builder, type DType, isFloat, primitiveByName, primitives, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { apply } from "../generator/cases.ts";
import { assertClose } from "../generator/compare.ts";
import { madeBy, type PeerNumber, readPeer, rowFromPeer } from "./peerValues.ts";

interface ElementwiseCase {
  readonly op: string;
  readonly dtype: DType;
  readonly inputs: readonly (readonly PeerNumber[])[];
  readonly output: readonly PeerNumber[];
  readonly gradients?: readonly (readonly PeerNumber[])[];
}

const values = readPeer<ElementwiseCase>("elementwise");
const gradients = readPeer<ElementwiseCase>("elementwiseGradients");
const tolerance = { kind: "ulps", ulps: 4 } as const;
/** Near 0 a derivative such as 1 − tanh² is only as exact as the 1 it starts from. */
const derivativeTolerance = { kind: "ulps", ulps: 16, least: 1 } as const;

function operands({ op, dtype, inputs }: ElementwiseCase): Tensor[] {
  return inputs.map((input, i) => rowFromPeer(input, op === "select" && i === 0 ? "bool" : dtype));
}

function evaluate(op: string, inputs: readonly Tensor[]): Tensor {
  return apply({ op: primitiveByName(op), params: {} }, inputs)[0] as Tensor;
}

test("every elementwise operation has values of another library", () => {
  const covered = new Set([...values.cases, ...gradients.cases].map(({ op }) => op));
  const missing = primitives().filter(({ name, scalar }) => scalar && !covered.has(name));
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
  );
});

for (const backend of testedBackends) {
  describe(`elementwise operations on ${backend}`, () => {
    for (const file of [values, gradients]) {
      for (const example of file.cases) {
        test(`${example.op} of ${example.dtype} equals ${madeBy(file)}, special values included`, () => {
          onBackend(backend, () => {
            const actual = evaluate(example.op, operands(example));
            assertClose(
              actual,
              rowFromPeer(example.output, actual.dtype),
              isFloat(actual.dtype) ? tolerance : { kind: "exact" },
              example.op,
            );
          });
        });
      }
    }
    for (const example of gradients.cases) {
      test(`the derivative of ${example.op} equals ${madeBy(gradients)}, kinks and ends included`, () => {
        onBackend(backend, () => {
          const inputs = operands(example);
          const [output, pullback] = ng.vjp((...xs: Tensor[]) => evaluate(example.op, xs), ...inputs);
          const ones = builder.full({ shape: output.shape, dtype: output.dtype, value: 1 });
          (pullback(ones) as readonly Tensor[]).forEach((actual, i) => {
            const expected = rowFromPeer(example.gradients?.[i] ?? [], example.dtype);
            assertClose(actual, expected, derivativeTolerance, `${example.op}, operand ${i}`);
          });
        });
      });
    }
  });
}
