import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  add,
  avgPool2d,
  conv2d,
  type DType,
  exp,
  flip,
  log,
  matmul,
  maxPool2d,
  mul,
  neg,
  type Params,
  philox,
  primitiveByName,
  randomBits,
  reduceSum,
  sin,
  square,
  type Tensor,
  tanh,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { apply } from "../generator/cases.ts";
import { assertClose, exact, type Tolerance } from "../generator/compare.ts";
import { tensorOf } from "../generator/draw.ts";
import { fromPeer, madeBy, type PeerTensor, readPeer } from "./peerValues.ts";

const convolution = readPeer<
  { params: Parameters<typeof conv2d>[2] } & Record<"x" | "w" | "ct" | "y" | "dx" | "dw", PeerTensor>
>("convolution");
const pooling = readPeer<
  { op: "maxPool2d" | "avgPool2d"; params: Parameters<typeof avgPool2d>[1] } & Record<
    "x" | "ct" | "y" | "dx",
    PeerTensor
  >
>("pooling");
const products = readPeer<Record<"a" | "b" | "output", PeerTensor>>("matmul");
const reductions = readPeer<{ op: string; dtype: DType; x: PeerTensor; params: Params; output: PeerTensor }>(
  "reductions",
);
const philoxWords = readPeer<{
  key: [number, number];
  counter: [number, number, number, number];
  words: number[];
}>("philox");

/** What a float32 kernel may make of sums of some dozen terms, and a float64 one. */
const tolerances: { readonly [D in DType]?: Tolerance } = {
  float32: { kind: "relative", roundings: 32 },
  float64: { kind: "relative", roundings: 32 },
};
const floats = ["float32", "float64"] as const;

function assertPeer(actual: Tensor, expected: PeerTensor, label: string): void {
  assertClose(actual, fromPeer(expected, actual.dtype), tolerances[actual.dtype] ?? exact, label);
}

for (const backend of testedBackends) {
  for (const dtype of floats) {
    describe(`${dtype} on ${backend}`, () => {
      convolution.cases.forEach(({ params, x, w, ct, y, dx, dw }) => {
        test(`conv2d and its gradients equal ${madeBy(convolution)}: x [${x.shape}], w [${w.shape}], ${JSON.stringify(params)}`, () => {
          onBackend(backend, () => {
            const f = (images: Tensor, filter: Tensor): Tensor => conv2d(images, filter, params);
            const [output, pullback] = ng.vjp(f, fromPeer(x, dtype), fromPeer(w, dtype));
            assertPeer(output, y, "y");
            const [imagesGradient, filterGradient] = pullback(fromPeer(ct, dtype));
            assertPeer(imagesGradient as Tensor, dx, "dx");
            assertPeer(filterGradient as Tensor, dw, "dw");
          });
        });
      });

      pooling.cases.forEach(({ op, params, x, ct, y, dx }) => {
        test(`${op} and its gradient equal ${madeBy(pooling)}: x [${x.shape}], ${JSON.stringify(params)}`, () => {
          onBackend(backend, () => {
            const { countPadding: _, ...window } = params;
            const f = (images: Tensor): Tensor =>
              op === "avgPool2d" ? avgPool2d(images, params) : maxPool2d(images, window);
            const [output, pullback] = ng.vjp(f, fromPeer(x, dtype));
            assertPeer(output, y, "y");
            assertPeer(pullback(fromPeer(ct, dtype))[0] as Tensor, dx, "dx");
          });
        });
      });

      test(`stacks of matrices multiply as in ${madeBy(products)}`, () => {
        onBackend(backend, () => {
          const flags = { transposeA: false, transposeB: false };
          for (const { a, b, output } of products.cases) {
            assertPeer(
              matmul(fromPeer(a, dtype), fromPeer(b, dtype), flags),
              output,
              `[${a.shape}] × [${b.shape}]`,
            );
          }
        });
      });
    });
  }

  describe(`reductions on ${backend}`, () => {
    for (const name of new Set(reductions.cases.map(({ op }) => op))) {
      test(`${name} equals ${madeBy(reductions)}, NaN and infinities included`, () => {
        onBackend(backend, () => {
          for (const { op, dtype, x, params, output } of reductions.cases) {
            if (op !== name) continue;
            const [actual] = apply({ op: primitiveByName(op), params }, [fromPeer(x, dtype)]);
            assertPeer(actual as Tensor, output, `${op} of ${dtype}, ${JSON.stringify(params)}`);
          }
        });
      });
    }
  });

  test(`the random bits on ${backend} are the words of ${madeBy(philoxWords)}'s Philox`, () => {
    onBackend(backend, () => {
      for (const { key, counter, words } of philoxWords.cases) {
        const [block, ...others] = counter;
        if (block > 3 || others.some((word) => word !== 0)) continue;
        const bits = randomBits(
          tensorOf(
            key.map((word) => word | 0),
            [2],
            "int32",
          ),
          { shape: [4 * block + 4] },
        );
        assert.deepEqual(
          Array.from(bits.dataSync().slice(-4) as Int32Array, (word) => word >>> 0),
          words,
        );
      }
    });
  });

  describe(`transforms on ${backend}`, () => {
    const transforms = readPeer<Record<string, unknown> & { name: string }>("transforms");
    const part = <T>(name: string): T => transforms.cases.find((example) => example.name === name) as T;
    const { x, w, output: value } = part<{ x: PeerTensor; w: PeerTensor; output: number }>("value");
    const [left, right] = [fromPeer(x, "float64"), fromPeer(w, "float64")];
    const total = (t: Tensor): Tensor => reduceSum(t, { axes: t.shape.map((_, i) => i) });
    const loss = (a: Tensor, b: Tensor): Tensor => {
      const y = tanh(matmul(a, b, { transposeA: false, transposeB: false }));
      return add(total(mul(square(y), exp(neg(y)))), log(total(exp(a))));
    };
    const gradient = ng.grad(loss, { argnums: [0, 1] }) as unknown as (
      a: Tensor,
      b: Tensor,
    ) => [Tensor, Tensor];
    const library = madeBy(transforms);

    test(`value and gradients equal ${library}, also compiled`, () => {
      onBackend(backend, () => {
        assertPeer(loss(left, right), { shape: [], values: [value] }, "loss");
        const { outputs } = part<{ outputs: PeerTensor[] }>("gradients");
        for (const f of [gradient, ng.jit(gradient)]) {
          f(left, right).forEach((actual, i) => {
            assertPeer(actual, outputs[i] as PeerTensor, `gradient ${i}`);
          });
        }
      });
    });

    test(`jvp, and jvp of grad, equal ${library}`, () => {
      onBackend(backend, () => {
        const { u, v, output } = part<{ u: PeerTensor; v: PeerTensor; output: number }>("jvp");
        const directions: [Tensor, Tensor] = [fromPeer(u, "float64"), fromPeer(v, "float64")];
        const [, tangent] = ng.jvp(loss, [left, right], directions);
        assertPeer(tangent, { shape: [], values: [output] }, "jvp");
        const [, products] = ng.jvp(gradient, [left, right], directions);
        const { outputs } = part<{ outputs: PeerTensor[] }>("hessianVectorProduct");
        products.forEach((actual, i) => {
          assertPeer(actual, outputs[i] as PeerTensor, `Hessian-vector product ${i}`);
        });
      });
    });

    test(`the Hessian, as vmap of the gradient's pullback over unit vectors, equals ${library}`, () => {
      onBackend(backend, () => {
        const { outputs } = part<{ outputs: PeerTensor[][] }>("hessian");
        const [[dx, dw], pullback] = ng.vjp(gradient, left, right);
        [dx, dw].forEach((g, row) => {
          const units = tensorOf(
            Array.from({ length: g.size ** 2 }, (_, i) => (i % (g.size + 1) === 0 ? 1 : 0)),
            [g.size, ...(g.shape as number[])],
            "float64",
          );
          const [zeroX, zeroW] = [dx, dw].map((like) => tensorOf([], like.shape as number[], "float64"));
          if (!zeroX || !zeroW) return;
          const rows = ng.vmap((unit: Tensor) => pullback(row === 0 ? [unit, zeroW] : [zeroX, unit]))(units);
          rows.forEach((block, column) => {
            const expected = outputs[row]?.[column] as PeerTensor;
            const flat = { shape: [g.size, ...expected.shape.slice(g.rank)], values: expected.values };
            assertPeer(block as Tensor, flat, `Hessian block ${row}, ${column}`);
          });
        });
      });
    });

    test(`vmap of grad equals ${library}`, () => {
      onBackend(backend, () => {
        const { rows, output } = part<{ rows: PeerTensor; output: PeerTensor }>("perRowGradients");
        const perRow = ng.vmap(ng.grad((r: Tensor) => total(mul(sin(r), flip(r, { axes: [0] })))));
        assertPeer(perRow(fromPeer(rows, "float64")), output, "gradients of rows");
      });
    });

    test(`derivatives up to the fourth equal ${library}`, () => {
      onBackend(backend, () => {
        const { at, outputs } = part<{ at: number; outputs: number[] }>("orders");
        let f = (t: Tensor): Tensor => mul(sin(t), exp(mul(t, 0.5)));
        for (const expected of outputs) {
          assertPeer(f(tensorOf([at], [], "float64")), { shape: [], values: [expected] }, "derivative");
          f = ng.grad(f) as (t: Tensor) => Tensor;
        }
      });
    });
  });
}

test(`philox equals ${madeBy(philoxWords)} for every counter, Random123's known answers among them`, () => {
  for (const { key, counter, words } of philoxWords.cases) assert.deepEqual(philox(counter, key), words);
  const known = philoxWords.cases.map(({ words }) => words.map((word) => word.toString(16)).join(" "));
  assert.deepEqual(known.slice(0, 3), [
    "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    "408f276d 41c83b0e a20bc7c6 6d5451fd",
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  ]);
});
