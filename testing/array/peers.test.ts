/** The array functions answer what NumPy and PyTorch answer (testing/peers/make_array_functions.py). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { DType, Tensor } from "nagare";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

interface PeerTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Infinities are strings. */
  readonly data: readonly (number | string)[];
}

interface PeerCase {
  readonly fn: string;
  readonly args: readonly ({ readonly tensor: PeerTensor } | { readonly value: unknown })[];
  readonly expect: readonly PeerTensor[];
}

const peers = JSON.parse(readFileSync(new URL("../peers/arrayFunctions.json", import.meta.url), "utf8")) as {
  readonly numpy: string;
  readonly torch: string;
  readonly cases: readonly PeerCase[];
};

function fromPeer({ shape, dtype, data }: PeerTensor): Tensor {
  const numbers = data.map((value) =>
    typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value,
  );
  return ng.tensor(dtype === "bool" ? numbers.map((value) => value !== 0) : numbers, { shape, dtype });
}

function call({ fn, args }: PeerCase): readonly Tensor[] {
  const values = args.map((argument) => ("tensor" in argument ? fromPeer(argument.tensor) : argument.value));
  const functions: Readonly<Record<string, unknown>> = ng;
  const f = functions[fn] as (...args: readonly unknown[]) => Tensor | Tensor[];
  return [f(...values)].flat();
}

/** float64 to 12 digits, float32 to 6, the rest exactly. */
const tolerances: { readonly [D in DType]?: number } = { float64: 1e-12, float32: 1e-6 };

function checkCase(peerCase: PeerCase): void {
  const results = call(peerCase);
  const values = peerCase.args.map((argument) =>
    "tensor" in argument ? argument.tensor.shape : argument.value,
  );
  const label = `${peerCase.fn}(${JSON.stringify(values)})`;
  assert.equal(results.length, peerCase.expect.length, label);
  peerCase.expect.forEach((expected, k) => {
    const actual = results[k] as Tensor;
    assert.deepEqual([actual.dtype, actual.shape], [expected.dtype, expected.shape], label);
    const tolerance = tolerances[expected.dtype] ?? 0;
    const wanted = fromPeer(expected).dataSync();
    Array.from(actual.dataSync(), Number).forEach((value, i) => {
      const right = Number(wanted[i]);
      const near = value === right || Math.abs(value - right) <= tolerance * Math.max(1, Math.abs(right));
      assert.ok(near, `${label}: element ${i} of result ${k} is ${value}, and ${right} for the peer`);
    });
  });
}

for (const backend of testedBackends) {
  describe(`NumPy ${peers.numpy} and PyTorch ${peers.torch} on ${backend}`, () => {
    for (const fn of new Set(peers.cases.map((peerCase) => peerCase.fn))) {
      test(`${fn} answers as they do`, () => {
        onBackend(backend, () => peers.cases.filter((peerCase) => peerCase.fn === fn).forEach(checkCase));
      });
    }
  });
}
