import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import * as ng from "nagare";
import { DTypeError, nn, ShapeError, type Tensor, ValueError } from "nagare";
import { type Json, load, save } from "../../packages/nagare/src/saved/index.ts";
import { writeUntilKilled } from "./killedWriter.ts";

const root = mkdtempSync(join(tmpdir(), "nagare-saving-"));
after(() => rmSync(root, { recursive: true, force: true }));
let folder = "";
let folders = 0;
beforeEach(() => {
  folder = join(root, String(folders++), "model", "1");
});

ng.setBackend("reference");
describe("save refuses", () => {
  const inputs = { x: { shape: ["batch"] } };

  test("a module whose inputs it does not know, with the remedy", async () => {
    await assert.rejects(save(nn.sequential([nn.flatten()]), folder), /Call the module once.*inputs:/);
  });

  test("a function without inputs", async () => {
    await assert.rejects(
      save((x) => x, folder),
      ValueError,
    );
  });

  test("a function that changes a variable", async () => {
    const count = ng.variable(ng.zeros([]), { name: "count" });
    const counting = (x: Tensor) => {
      count.assign(count.value.add(1));
      return x;
    };
    await assert.rejects(save(counting, folder, { inputs }), /assigns to the variable count/);
  });

  test("shapes and dtypes that are none", async () => {
    for (const shape of [[-1], [0.5], ["a b"], ["2**n"]]) {
      await assert.rejects(
        save((x) => x, folder, { inputs: { x: { shape } } }),
        ShapeError,
        String(shape),
      );
    }
    const dtype = "float8" as ng.DType;
    await assert.rejects(
      save((x) => x, folder, { inputs: { x: { shape: [1], dtype } } }),
      DTypeError,
    );
  });

  test("metadata that is not JSON", async () => {
    const metadata = { when: new Date() as unknown as Json };
    await assert.rejects(
      save((x) => x, folder, { inputs, metadata }),
      /expected plain JSON.*metadata\.when/,
    );
  });

  test("a folder with other files, and leaves them", async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "thesis.txt"), "years of work");
    await assert.rejects(
      save((x) => x, folder, { inputs }),
      /holds "thesis\.txt"/,
    );
    assert.deepEqual(readdirSync(folder), ["thesis.txt"]);
    await assert.rejects(
      save((x) => x, join(folder, "thesis.txt"), { inputs }),
      ValueError,
    );
  });

  test("nothing of an existing model when it fails", async () => {
    await save((x) => ng.add(x, 1), folder, { inputs });
    await assert.rejects(
      save(
        () => {
          throw new RangeError("no");
        },
        folder,
        { inputs },
      ),
    );
    assert.deepEqual((await load(folder)).call({ x: ng.ones([1]) }).y?.toArray(), [2]);
    assert.deepEqual(readdirSync(join(folder, "..")), ["1"]);
  });
});

describe("calling a loaded model", () => {
  test("checks names, dtypes and shapes, and says what it expected", async () => {
    const shape = ["batch", 3];
    await save((a, b) => ng.add(a, b), folder, { inputs: { a: { shape }, b: { shape } } });
    const model = await load(folder);
    const x = ng.ones([2, 3]);
    const cases: readonly (readonly [Record<string, unknown>, new (message: string) => Error, RegExp])[] = [
      [{ a: x }, ValueError, /float32\[batch, 3\] as b; received undefined/],
      [{ a: x, b: x, c: x }, ValueError, /expected the inputs a, b; received "c" too/],
      [{ a: x, b: [[1, 2, 3]] }, ValueError, /as b; received 1,2,3/],
      [
        { a: x, b: ng.ones([2, 3], { dtype: "int32" }) },
        DTypeError,
        /as b; received int32\[2, 3\].*astype\("float32"\)/,
      ],
      [{ a: x, b: ng.ones([3]) }, ShapeError, /as b; received float32\[3\]/],
      [{ a: x, b: ng.ones([2, 4]) }, ShapeError, /as b, where batch = 2; received float32\[2, 4\]/],
      [{ a: x, b: ng.ones([4, 3]) }, ShapeError, /as b, where batch = 2; received float32\[4, 3\]/],
    ];
    for (const [inputs, kind, message] of cases) {
      const refused = (error: unknown) => error instanceof kind && message.test(error.message);
      assert.throws(() => model.call(inputs as Record<string, Tensor>), refused);
      await assert.rejects(model.callAsync(inputs as Record<string, Tensor>), refused);
    }
    assert.throws(
      () => model.call({ a: x, b: x }, "train"),
      /expected one of the signatures serving_default; received "train"/,
    );
    assert.throws(() => ng.jit((t: Tensor) => model.call({ a: t, b: t }).y as Tensor)(x), ng.TracerError);
  });
});

describe("a writer of models that is killed", () => {
  test("leaves a model that loads and is no older than the last one it reported", async () => {
    let first = 0;
    for (let round = 0; round < 8; round++) {
      const reported = await writeUntilKilled(
        "modelWriter.ts",
        [folder, first, 30_000],
        round % 3,
        (round * 7) % 11,
      );
      if (reported < 0) continue;
      const { weights, metadata } = await load(folder);
      const number = Number(metadata.number);
      assert.ok(number >= reported, `reported ${reported}, found ${number}`);
      const [weight] = weights.values();
      assert.ok(weight?.dataSync().every((value) => value === number));
      first = number + 1;
    }
    await save((x) => x, folder, { inputs: { x: { shape: [1] } } });
    assert.deepEqual(readdirSync(join(folder, "..")), ["1"]);
  });

  test("between its two renames leaves the old model to be read, and the next save tidies up", async () => {
    const inputs = { x: { shape: [1] } };
    await save((x) => ng.add(x, 1), folder, { inputs });
    // What is on disk at that moment: the old folder under its other name, the new one under a dead writer's.
    renameSync(folder, `${folder}.nagare-previous`);
    mkdirSync(`${folder}.4194305-0.partial`);
    assert.deepEqual((await load(folder)).call({ x: ng.ones([1]) }).y?.toArray(), [2]);
    await save((x) => ng.add(x, 2), folder, { inputs });
    assert.deepEqual((await load(folder)).call({ x: ng.ones([1]) }).y?.toArray(), [3]);
    assert.deepEqual(readdirSync(join(folder, "..")), ["1"]);
  });
});
