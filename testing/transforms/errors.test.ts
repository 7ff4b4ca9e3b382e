import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Tensor } from "nagare";
import * as ng from "nagare";

ng.setBackend("reference");

type ErrorClass = new (message: string) => Error;

/** Asserts the class and that the message says each of these things. */
function assertRefused(run: () => unknown, kind: ErrorClass, ...says: readonly RegExp[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof kind, `expected ${kind.name}; received ${String(error)}`);
    for (const pattern of says) assert.match(error.message, pattern);
    return true;
  });
}

const x = ng.tensor([1, 2, 3]);

describe("the value of a traced tensor", () => {
  const transforms: readonly (readonly [string, (f: (y: Tensor) => Tensor) => unknown])[] = [
    ["jit", (f) => ng.jit(f)(x)],
    ["vmap", (f) => ng.vmap(f)(x)],
  ];
  const reads: readonly (readonly [string, (y: Tensor) => unknown])[] = [
    ["item", (y) => ng.sum(y).item()],
    ["toArray", (y) => y.toArray()],
    ["dataSync", (y) => y.dataSync()],
  ];
  for (const [name, apply] of transforms) {
    for (const [read, ask] of reads) {
      test(`${read}() under ${name} names where and cond`, () => {
        const f = (y: Tensor): Tensor => {
          ask(y);
          return y;
        };
        assertRefused(
          () => apply(f),
          ng.TracerError,
          new RegExp(`while ${name} traces`),
          /ng\.where/,
          /ng\.cond/,
        );
      });
    }
  }

  test("data() under jit rejects with the same words", async () => {
    let reading: Promise<unknown> = Promise.resolve();
    ng.jit((y: Tensor) => {
      reading = y.data();
      reading.catch(() => {});
      return y;
    })(x);
    await assert.rejects(reading, /while jit traces.*ng\.where/s);
  });

  test("arithmetic by JavaScript's operators is refused with the remedy", () => {
    const asNumber = x as unknown as number;
    assertRefused(() => asNumber + 1, ng.NagareError, /a\.add\(b\)/);
    assertRefused(() => asNumber > 1, ng.NagareError, /a\.item\(\)/);
    assertRefused(
      () => ng.jit((y: Tensor) => ((y as unknown as number) > 1 ? y : y))(x),
      ng.NagareError,
      /a\.item\(\)/,
    );
    assert.equal(`${x}`, "Tensor(float32[3])");
  });
});

describe("a traced value that outlives its trace", () => {
  const leak = (run: (keep: (y: Tensor) => Tensor) => unknown): Tensor => {
    let kept: Tensor | undefined;
    run((y) => {
      kept = y.mul(2);
      return kept;
    });
    assert.ok(kept);
    return kept;
  };
  const leaks: readonly (readonly [string, Tensor])[] = [
    ["jit", leak((f) => ng.jit(f)(x))],
    ["vmap", leak((f) => ng.vmap(f)(x))],
    ["jvp", leak((f) => ng.jvp(f, [x], [x]))],
    ["grad", leak((f) => ng.grad((y: Tensor) => ng.sum(f(y)))(x))],
  ];
  for (const [name, leaked] of leaks) {
    test(`from ${name} is refused by the next operation, naming both`, () => {
      assertRefused(
        () => leaked.add(1),
        ng.TracerError,
        /^add: /,
        new RegExp(`while ${name} traced`),
        /ng\.variable/,
      );
    });
  }

  test("one level's value inside another level's function is told to be an argument", () => {
    assertRefused(
      () => ng.grad((y: Tensor) => ng.jit(() => ng.sum(y))())(x),
      ng.TracerError,
      /grad traces/,
      /Pass it as an argument/,
    );
  });
});

describe("functions that a transform cannot take", () => {
  const transforms: readonly (readonly [string, () => unknown])[] = [
    ["jit", () => ng.jit(async (y: Tensor) => y)(x)],
    ["vmap", () => ng.vmap(async (y: Tensor) => y)(x)],
    ["jvp", () => ng.jvp(async (y: Tensor) => y, [x], [x as Tensor])],
    ["grad", () => ng.grad(async (y: Tensor) => ng.sum(y))(x)],
  ];
  for (const [name, run] of transforms) {
    test(`${name} of an async function says to await before the call`, () => {
      assertRefused(run, ng.TracerError, new RegExp(`^${name}: `), /must not be async/, /Await data before/);
    });
  }

  test("grad of a function that returns no scalar says what to do", () => {
    assertRefused(
      () => ng.grad((y: Tensor) => y.mul(2))(x),
      ng.ShapeError,
      /float32\[3\]/,
      /\.sum\(\) or \.mean\(\)/,
      /ng\.vjp/,
    );
    assertRefused(() => ng.grad((y: Tensor) => [ng.sum(y)])(x), ng.ValueError, /hasAux/);
    assertRefused(
      () => ng.grad((y: Tensor) => ng.sum(y.astype("int32")))(x),
      ng.ShapeError,
      /float dtype; received int32\[\]/,
    );
  });

  test("an error inside a function leaves nothing open", () => {
    for (const run of [
      () => ng.jit((_y: Tensor) => assert.fail("on purpose"))(x),
      () => ng.grad((_y: Tensor) => assert.fail("on purpose"))(x),
      () => ng.vmap((_y: Tensor) => assert.fail("on purpose"))(x),
    ]) {
      assert.throws(run, /on purpose/);
      assert.deepEqual(x.add(1).toArray(), [2, 3, 4]);
    }
  });
});

describe("arguments that a transform cannot take", () => {
  test("integers have no gradient", () => {
    const whole = ng.tensor([1, 2], { dtype: "int32" });
    assertRefused(
      () => ng.grad((y: Tensor) => ng.sum(y.astype("float32")))(whole),
      ng.DTypeError,
      /int32\[2\]/,
      /\.astype\("float32"\)/,
    );
    assertRefused(() => ng.jvp((y: Tensor) => y, [whole], [whole]), ng.DTypeError, /int32/);
  });

  test("argnums must name arguments", () => {
    const f = (y: Tensor): Tensor => ng.sum(y);
    for (const argnums of [1, -1, 0.5, [0, 2]])
      assertRefused(() => ng.grad(f, { argnums })(x), ng.ValueError, /argnums/);
  });

  test("tangents and cotangents have their values' shapes and structure", () => {
    const f = (y: Tensor): Tensor => y.mul(2);
    assertRefused(() => ng.jvp(f, [x], [ng.ones([2])]), ng.ShapeError, /float32\[3\]/, /float32\[2\]/);
    const [, pullback] = ng.vjp(f, x);
    assertRefused(() => pullback(ng.ones([4])), ng.ShapeError, /float32\[4\]/);
    const [, push] = ng.linearize(f, x);
    assertRefused(() => push(ng.ones([1])), ng.ShapeError, /float32\[1\]/);
    const pair = (y: Tensor, z: Tensor): Tensor[] => [y, z];
    const [, pullPair] = ng.vjp(pair, x, x);
    assertRefused(() => pullPair([x]), ng.ValueError, /structure/);
  });

  test("mapped axes have one size, and at least one argument is mapped", () => {
    const add = (a: Tensor, b: Tensor): Tensor => a.add(b);
    assertRefused(() => ng.vmap(add)(ng.ones([2]), ng.ones([3])), ng.ShapeError, /2 and 3/);
    assertRefused(() => ng.vmap(add, { inAxes: null })(x, x), ng.ValueError, /at least one mapped argument/);
    assertRefused(() => ng.vmap(add, { inAxes: [0] })(x, x), ng.ValueError, /names 1 argument.*received 2/);
    assertRefused(() => ng.vmap(add)(ng.tensor(1), x), ng.ShapeError, /a scalar has no axes/);
    assertRefused(
      () => ng.vmap(add, { inAxes: [1, 0] })(x, x),
      ng.ShapeError,
      /axis from -1 to 0; received 1/,
    );
    assertRefused(() => ng.vmap(add, { outAxes: 2 })(x, x), ng.ShapeError, /axis from -1 to 0; received 2/);
  });

  test("static arguments are no tensors", () => {
    const f = ng.jit((y: Tensor, n: unknown) => y.mul(n as number), { staticArgnums: 1 });
    assertRefused(() => f(x, x), ng.ValueError, /static/);
    assert.deepEqual(f(x, 2).toArray(), [2, 4, 6]);
  });

  test("what is no tensor at all is refused by the operation, with the remedy", () => {
    assertRefused(
      () => ng.jit((y: Tensor) => y.add([1, 2, 3] as unknown as Tensor))(x),
      ng.DTypeError,
      /ng\.tensor\(values\)/,
    );
    assertRefused(
      () => ng.grad((y: Tensor) => ng.sum(y.add("1" as unknown as Tensor)))(x),
      ng.DTypeError,
      /tensor or a number/,
    );
  });
});
