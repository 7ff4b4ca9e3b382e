import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  allocate,
  bytesPerElement,
  checkDType,
  type DType,
  DTypeError,
  dtypes,
  isDType,
  isFloat,
  isInteger,
  promote,
  viewBuffer,
  weakDType,
} from "nagare/backend";
import { assertProperty } from "../property.ts";

/** Row + column; "-" where nothing converts silently. */
const promotions = `
          float32  float64  float16  bfloat16 int8     uint8    int32    int64    bool
float32   float32  -        float32  float32  float32  float32  float32  float32  -
float64   -        float64  -        -        float64  float64  float64  float64  -
float16   float32  -        float16  -        float16  float16  float16  float16  -
bfloat16  float32  -        -        bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 -
int8      float32  float64  float16  bfloat16 int8     -        -        -        -
uint8     float32  float64  float16  bfloat16 -        uint8    -        -        -
int32     float32  float64  float16  bfloat16 -        -        int32    -        -
int64     float32  float64  float16  bfloat16 -        -        -        int64    -
bool      -        -        -        -        -        -        -        -        bool`;

describe("promotion", () => {
  const [header = "", ...rows] = promotions.trim().split("\n");
  const columns = header.trim().split(/\s+/);

  test("the table has every dtype", () => {
    assert.deepEqual(columns, [...dtypes]);
    assert.equal(rows.length, dtypes.length);
  });

  for (const row of rows) {
    const [name = "", ...cells] = row.trim().split(/\s+/);
    test(`${name} meets every dtype as the table says`, () => {
      columns.forEach((column, i) => {
        const combine = () => promote(name as DType, column as DType, "add");
        if (cells[i] !== "-") assert.equal(combine(), cells[i], `${name} and ${column}`);
        else
          assert.throws(combine, (error: unknown) => {
            return (
              error instanceof DTypeError && /^add: /.test(error.message) && /\.astype\("/.test(error.message)
            );
          });
      });
    });
  }

  test("promotion is commutative and idempotent", () => {
    for (const a of dtypes) {
      assert.equal(promote(a, a, "test"), a);
      for (const b of dtypes) {
        const outcome = (x: DType, y: DType): string => {
          try {
            return promote(x, y, "test");
          } catch {
            return "error";
          }
        };
        assert.equal(outcome(a, b), outcome(b, a), `${a} and ${b}`);
      }
    }
  });
});

describe("weak JavaScript values", () => {
  test("whole numbers take the other operand's dtype", () => {
    for (const dtype of dtypes) if (dtype !== "bool") assert.equal(weakDType(2, dtype), dtype);
  });

  test("a fraction beside an integer becomes float32", () => {
    for (const dtype of dtypes) if (isInteger(dtype)) assert.equal(weakDType(0.5, dtype), "float32");
  });

  test("a fraction beside a float takes its dtype", () => {
    for (const dtype of dtypes) if (isFloat(dtype)) assert.equal(weakDType(0.5, dtype), dtype);
  });

  test("numbers beside bool count as int32 or float32", () => {
    assert.equal(weakDType(2, "bool"), "int32");
    assert.equal(weakDType(0.5, "bool"), "float32");
    assert.equal(weakDType(true, "bool"), "bool");
  });
});

describe("dtypes", () => {
  test("arrays hold as many bytes as dtypes say", () => {
    for (const dtype of dtypes) assert.equal(allocate(dtype, 3).byteLength, 3 * bytesPerElement(dtype));
  });

  test("a view starts where it was told", () => {
    const buffer = new ArrayBuffer(64);
    for (const dtype of dtypes) {
      const view = viewBuffer(dtype, buffer, 16, 2);
      assert.equal(view.byteOffset, 16);
      assert.equal(view.length, 2);
      assert.equal(view.constructor, allocate(dtype, 0).constructor);
    }
  });

  test("any other name is refused with the list", () => {
    assertProperty(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom("constructor", "__proto__", "toString"), fc.anything()),
        (name) => {
          if (dtypes.includes(name as DType)) return;
          assert.equal(isDType(name), false);
          assert.throws(
            () => checkDType(name, "tensor"),
            (error: unknown) => {
              return (
                error instanceof DTypeError && error.message.includes("expected one of float32, float64")
              );
            },
          );
        },
      ),
      200,
    );
  });
});
