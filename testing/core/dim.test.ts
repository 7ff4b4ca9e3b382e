import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  addDims,
  type Dim,
  dim,
  dimName,
  evaluateDim,
  exactQuotient,
  floorDivDim,
  formatDim,
  mulDims,
  parseDim,
  ShapeError,
  subDims,
} from "nagare/backend";
import { assertProperty } from "../property.ts";

/** The same dimension, as rules compare them: 0 and −0 are one size. */
function assertSame(a: Dim, b: Dim, message?: string): void {
  assert.ok(a === b, message ?? `${formatDim(a)} is not ${formatDim(b)}`);
}

const names = ["batch", "n", "seq_len"] as const;
const bindings = new Map<string, number>([
  ["batch", 7],
  ["n", 11],
  ["seq_len", 13],
]);

/** A dimension together with the number it stands for, computed by plain arithmetic. */
interface Pair {
  readonly d: Dim;
  readonly value: number;
}

const { expression } = fc.letrec<{ expression: Pair; leaf: Pair }>((tie) => ({
  leaf: fc.oneof(
    fc.integer({ min: -5, max: 5 }).map((value): Pair => ({ d: value, value })),
    fc.constantFrom(...names).map((name): Pair => ({ d: dim(name), value: bindings.get(name) ?? 0 })),
  ),
  expression: fc.oneof(
    { maxDepth: 3 },
    tie("leaf"),
    fc
      .tuple(tie("expression"), tie("expression"))
      .map(([a, b]) => ({ d: addDims(a.d, b.d), value: a.value + b.value })),
    fc
      .tuple(tie("expression"), tie("expression"))
      .map(([a, b]) => ({ d: subDims(a.d, b.d), value: a.value - b.value })),
    fc
      .tuple(tie("expression"), tie("expression"))
      .map(([a, b]) => ({ d: mulDims(a.d, b.d), value: a.value * b.value })),
    fc
      .tuple(tie("expression"), fc.integer({ min: 1, max: 4 }))
      .map(([a, divisor]) => ({ d: floorDivDim(a.d, divisor), value: Math.floor(a.value / divisor) })),
  ),
}));

describe("symbolic dimensions", () => {
  test("evaluating an expression equals computing it with numbers", () => {
    assertProperty(
      fc.property(expression, ({ d, value }) => {
        assert.equal(evaluateDim(d, bindings) + 0, value + 0);
      }),
      500,
    );
  });

  test("equal expressions are the same symbol, however they were built", () => {
    assertProperty(
      fc.property(expression, expression, expression, ({ d: a }, { d: b }, { d: c }) => {
        assertSame(addDims(a, b), addDims(b, a));
        assertSame(mulDims(a, b), mulDims(b, a));
        assertSame(addDims(addDims(a, b), c), addDims(a, addDims(b, c)));
        assertSame(mulDims(mulDims(a, b), c), mulDims(a, mulDims(b, c)));
        assertSame(mulDims(addDims(a, b), c), addDims(mulDims(a, c), mulDims(b, c)));
        assertSame(subDims(addDims(a, b), b), a);
        assertSame(subDims(a, a), 0);
      }),
      200,
    );
  });

  test("parsing what was formatted gives the same symbol", () => {
    assertProperty(
      fc.property(expression, ({ d }) => {
        if (formatDim(d).length <= 1000) assertSame(parseDim(formatDim(d)), d);
      }),
      500,
    );
  });

  test("an exact quotient times the divisor is the dividend", () => {
    assertProperty(
      fc.property(expression, expression, ({ d: a }, { d: b }) => {
        const quotient = exactQuotient(a, b);
        if (quotient !== undefined && b !== 0) assertSame(mulDims(quotient, b), a);
      }),
      300,
    );
  });

  test("a product divides by each of its factors", () => {
    const batch = dim("batch");
    assert.equal(exactQuotient(mulDims(batch, 12), batch), 12);
    assert.equal(exactQuotient(mulDims(batch, 12), 4), mulDims(batch, 3));
    assert.equal(exactQuotient(mulDims(batch, 12), mulDims(batch, 6)), 2);
    assert.equal(exactQuotient(batch, 2), undefined);
    assert.equal(exactQuotient(12, batch), undefined);
  });

  test("formats read as written", () => {
    const batch = dim("batch");
    assert.equal(formatDim(addDims(mulDims(batch, 2), 1)), "2*batch+1");
    assert.equal(formatDim(subDims(dim("n"), batch)), "n-1*batch");
    assert.equal(formatDim(32), "32");
    assert.equal(formatDim(floorDivDim(addDims(batch, 1), 2)), "floor((batch+1)/2)");
  });

  test("only a plain name has a name", () => {
    assert.equal(dimName(dim("batch")), "batch");
    for (const d of [3, addDims(dim("batch"), 1), mulDims(dim("batch"), 2), floorDivDim(dim("batch"), 2)]) {
      assert.equal(dimName(d), undefined);
    }
  });

  test("a name without a size is named in the error", () => {
    assert.throws(
      () => evaluateDim(addDims(dim("width"), 1), bindings),
      (error: unknown) => {
        return error instanceof ShapeError && /"width"/.test(error.message);
      },
    );
  });

  test("names that are no identifiers and foreign symbols are refused", () => {
    for (const name of ["", "2x", "a b", "a*b", "floor((", "é"]) assert.throws(() => dim(name), ShapeError);
    assert.throws(() => addDims(Symbol("batch"), 1), ShapeError);
  });

  test("any text either parses to a dimension that formats and parses again, or is a ShapeError", () => {
    const piece = fc.constantFrom(
      "batch",
      "n",
      "*",
      "+",
      "-",
      "floor((",
      ")/",
      ")",
      "2",
      "0",
      "-3",
      " ",
      "1e9",
      "9".repeat(15),
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    );
    assertProperty(
      fc.property(text, (input) => {
        let d: Dim;
        try {
          d = parseDim(input);
        } catch (error) {
          assert.ok(error instanceof ShapeError, `${input}: ${String(error)}`);
          return;
        }
        assertSame(parseDim(formatDim(d)), d, input);
      }),
      2000,
    );
  });

  test("numbers that JavaScript cannot count with are refused", () => {
    for (const text of [
      "9007199254740993",
      "9".repeat(20),
      "999999999999999*999999999999999",
      "9007199254740991*n+n",
    ]) {
      assert.throws(() => parseDim(text), ShapeError, text);
    }
    assertSame(parseDim("9007199254740991"), Number.MAX_SAFE_INTEGER);
  });

  test("nesting without end and endless text are refused", () => {
    assert.throws(() => parseDim(`${"floor((".repeat(100)}n${")/2)".repeat(100)}`), ShapeError);
    assert.throws(() => parseDim("n+".repeat(600)), ShapeError);
  });
});
