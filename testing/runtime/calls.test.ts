/** Calls are known again by all that decides what they do, and by nothing else. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Aval, Calls, type Param, type Params } from "nagare/backend";

const aval: fc.Arbitrary<Aval> = fc.record({
  shape: fc.array(fc.nat(3), { maxLength: 3 }),
  dtype: fc.constantFrom("float32", "int32", "bool"),
});
const scalar: fc.Arbitrary<Param> = fc.constantFrom(
  0,
  -0,
  Number.NaN,
  1,
  1n,
  "1",
  "",
  "a,b",
  "a",
  true,
  false,
  null,
);
const param: fc.Arbitrary<Param> = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 2 }),
  fc.dictionary(fc.constantFrom("p", "q"), scalar, { maxKeys: 2 }),
);
const params: fc.Arbitrary<Params> = fc.dictionary(fc.constantFrom("x", "y"), param, { maxKeys: 2 });
const call = fc.record({ inputs: fc.array(aval, { maxLength: 2 }), params });

/** Equal objects that share nothing with the given ones. */
const copyOf = <T>(value: T): T => structuredClone(value);

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepStrictEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

describe("calls that are known again", () => {
  test("what is found is what was added for an equal call", () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 30 }), (made) => {
        const calls = new Calls<number>();
        // By the definition: the first of all calls that is equal.
        const values = made.map((one) => made.findIndex((other) => isEqual(copyOf(one), copyOf(other))));
        made.forEach(({ inputs, params }, i) => {
          const found = calls.find(inputs, params);
          assert.equal(found, values[i] === i ? undefined : values[i]);
          if (found === undefined) calls.add(inputs, params, i);
        });
        assert.equal(calls.size, new Set(values).size);
        for (const [i, { inputs, params }] of made.entries()) {
          assert.equal(calls.find(copyOf(inputs), copyOf(params)), values[i]);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("the first is forgotten first", () => {
    const calls = new Calls<number>();
    const inputs = (n: number): readonly Aval[] => [{ shape: [n], dtype: "float32" }];
    for (let n = 0; n < 20; n++) calls.add(inputs(n), {}, n);
    calls.forgetFirst();
    calls.forgetFirst();
    assert.equal(calls.size, 18);
    assert.deepEqual(
      [0, 1, 2, 19].map((n) => calls.find(inputs(n), {})),
      [undefined, undefined, 2, 19],
    );
  });
});
