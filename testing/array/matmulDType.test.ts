import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const bytes = (value: number, dtype: ng.DType) => ng.full([3, 300], value, { dtype });

for (const backend of testedBackends) {
  describe(`the dtype of a matrix product, ${backend}`, () => {
    test("products of int8 wrap, unless their sums are asked for in int32", () => {
      onBackend(backend, () => {
        const x = bytes(-128, "int8");
        assert.equal(x.matmul(x.transpose()).dtype, "int8");
        const sums = x.matmul(x.transpose(), { dtype: "int32" });
        assert.equal(sums.dtype, "int32");
        assert.deepEqual([...sums.dataSync()], Array(9).fill(128 * 128 * 300));
      });
    });

    test("products of uint8 are exact in int32", () => {
      onBackend(backend, () => {
        const x = bytes(255, "uint8");
        assert.deepEqual(
          [...ng.matmul(x, x.transpose(), { dtype: "int32" }).dataSync()],
          Array(9).fill(255 ** 2 * 300),
        );
      });
    });

    test("products of halves are not rounded to halves in float32", () => {
      onBackend(backend, () => {
        for (const dtype of ["float16", "bfloat16"] as const) {
          const x = bytes(1, dtype);
          const y = ng.concat([x, ng.full([3, 1], 1 / 16, { dtype })], { axis: 1 });
          const sums = y.matmul(y.transpose(), { dtype: "float32" });
          assert.equal(sums.dtype, "float32");
          assert.deepEqual([...sums.dataSync()], Array(9).fill(300 + 1 / 256));
          assert.equal(y.matmul(y.transpose()).dtype, dtype);
        }
      });
    });

    test("infinities and NaN in halves reach the sums", () => {
      onBackend(backend, () => {
        for (const dtype of ["float16", "bfloat16"] as const) {
          const rows = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 1].map((x) => [
            1,
            x,
            1,
          ]);
          const sums = ng.tensor(rows, { dtype }).matmul(ng.ones([3, 1], { dtype }), { dtype: "float32" });
          assert.deepEqual(
            [...sums.dataSync()],
            [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 3],
          );
        }
      });
    });

    test("any other dtype is that of the operands, converted", () => {
      onBackend(backend, () => {
        const x = bytes(100, "int8");
        assert.deepEqual(
          [...ng.matmul(x, x.transpose(), { dtype: "float64" }).dataSync()],
          Array(9).fill(3e6),
        );
        assert.throws(() => ng.matmul(x, x, { dtype: "int4" as ng.DType }), /matmul: dtype: expected one of/);
      });
    });

    test("the gradient of wide sums reaches narrow factors in their own dtype", () => {
      onBackend(backend, () => {
        const [x, w] = [bytes(2, "bfloat16"), bytes(3, "bfloat16")];
        const gradient = ng.grad((x: ng.Tensor) => x.matmul(w.transpose(), { dtype: "float32" }).sum())(x);
        assert.equal(gradient.dtype, "bfloat16");
        assert.deepEqual(gradient.astype("float32").toArray(), ng.full([3, 300], 9).toArray());
      });
    });
  });
}
