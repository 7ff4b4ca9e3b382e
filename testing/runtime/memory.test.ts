import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as ng from "nagare";
import { adoptStorage, allocateStorage, allocateUninitialized, loadBackend } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function settledBytes(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await sleep(0);
    collectGarbage();
  }
  return ng.memory().liveBytes;
}

describe("the books of memory", () => {
  test("storage counts while it is reachable and no longer", async () => {
    const before = await settledBytes();
    let held: unknown = allocateStorage("float32", 1 << 20);
    assert.ok(ng.memory().liveBytes >= before + (4 << 20));
    assert.ok(ng.memory().peakBytes >= before + (4 << 20));
    assert.ok((await settledBytes()) >= before + (4 << 20), "what is held is not collected");
    held = undefined;
    assert.ok((await settledBytes()) < before + (1 << 20), `${String(held)} still counts`);
  });

  test("adopted arrays count too", async () => {
    const before = await settledBytes();
    const held = adoptStorage(new Float32Array(1 << 18)).array;
    assert.ok(ng.memory().liveBytes >= before + (1 << 20));
    assert.equal(held.at(-1), 0);
  });

  for (const name of testedBackends) {
    test(`${name}: what is kept of eager calls keeps none of their operands and results`, async () => {
      const before = await settledBytes();
      onBackend(name, () => {
        // Shapes of their own: calls that have not been made before.
        for (let n = 1; n <= 3; n++) {
          const x = ng.ones([n, 1 << 16]);
          ng.concat([ng.sin(x), ng.matmul(x, ng.ones([1 << 16, 1])), ng.gelu(x)], { axis: 1 });
        }
      });
      assert.ok((await settledBytes()) < before + (1 << 18), "tensors of calls that are over are still held");
    });
  }

  test("small arrays share blocks, start where every dtype may, and do not touch each other", () => {
    const arrays = Array.from({ length: 500 }, (_, i) => {
      const array = allocateUninitialized(i % 2 ? "float64" : "uint8", 1 + (i % 7)) as
        | Float64Array
        | Uint8Array;
      array.fill(i % 251);
      return array;
    });
    arrays.forEach((array, i) => {
      assert.equal(array.byteOffset % 16, 0);
      assert.ok(array.every((element) => element === i % 251));
    });
    const buffers = new Set(arrays.map((array) => array.buffer));
    assert.ok(buffers.size <= 2, `${buffers.size} buffers for 500 small arrays`);
  });
});

describe("results that nobody holds any more", () => {
  const mebibyte = 1 << 20;

  /** How often the collector is called while `body` runs. */
  function countCollections(body: () => void): number {
    const reachability = loadBackend("native").reachability as { collectYoung(): void };
    const { collectYoung } = reachability;
    let count = 0;
    reachability.collectYoung = () => {
      count++;
      collectYoung();
    };
    try {
      onBackend("native", body);
    } finally {
      reachability.collectYoung = collectYoung;
    }
    return count;
  }

  for (const [name, kibibytes] of [
    ["small", 16],
    ["of middling size", 256],
    ["large", 4096],
  ] as const) {
    test(`${name}: their memory is used again before it piles up, eager and compiled`, async () => {
      const x = ng.zeros([kibibytes * 256]);
      const addOne = ng.jit((v: ng.Tensor) => v.add(1));
      const before = await settledBytes();
      ng.resetPeakMemory();
      onBackend("native", () => {
        for (let bytes = 0; bytes < 512 * mebibyte; bytes += 2 * x.size * 4) addOne(x).add(x);
      });
      const most = ng.memory().peakBytes - before;
      assert.ok(most < 128 * mebibyte, `${most / mebibyte} MiB at the most`);
    });
  }

  test("are looked for less and less where results stay alive", () => {
    const x = ng.zeros([mebibyte / 4]);
    const held: ng.Tensor[] = [];
    const garbage = countCollections(() => {
      for (let i = 0; i < 512; i++) x.add(1);
    });
    const keep = () =>
      countCollections(() => {
        for (let i = 0; i < 512; i++) held.push(x.add(1));
      });
    const [first, second] = [keep(), keep()];
    assert.ok(garbage >= 8, `${garbage} collections of 512 MiB of garbage`);
    assert.ok(
      first < garbage && second <= garbage / 2,
      `${first} and ${second} collections while 512 MiB each are kept, ${garbage} of garbage`,
    );
  });

  test("a variable's value survives them", () => {
    onBackend("native", () => {
      const w = ng.variable(ng.zeros([mebibyte / 4]));
      for (let i = 0; i < 200; i++) w.assign(w.value.add(1));
      assert.equal(w.value.min().item(), 200);
    });
  });
});

for (const backend of testedBackends) {
  describe(`memory on ${backend}`, () => {
    test("live bytes stay flat over many steps of eager and compiled code, with nothing disposed", async () => {
      const w = ng.variable(ng.ones([64, 64]));
      const step = ng.jit((x: ng.Tensor) => {
        const [loss, gradient] = ng.valueAndGrad((v: ng.Variable) => ng.mean(ng.tanh(x.matmul(v.value))))(
          w,
        ) as [ng.Tensor, ng.Tensor];
        w.assign(w.value.sub(gradient.mul(0.01)));
        return loss;
      });
      const work = (count: number): void =>
        onBackend(backend, () => {
          for (let i = 0; i < count; i++) {
            step(ng.ones([4, 64]));
            ng.exp(w.value).add(i).sum();
          }
        });
      const rounds = backend === "reference" ? 10 : 100;
      work(rounds);
      const before = await settledBytes();
      for (let i = 0; i < 3; i++) {
        work(rounds);
        const after = await settledBytes();
        assert.ok(
          after <= before + (1 << 18),
          `${before} bytes before, ${after} after ${(i + 1) * rounds} steps`,
        );
      }
    });

    test("the peak is what live tensors and the arena came to; it starts again on request", () =>
      onBackend(backend, () => {
        const n = backend === "native" ? 512 : 64;
        const f = ng.jit((x: ng.Tensor) => ng.sum(ng.matmul(ng.matmul(x, x), x)));
        f(ng.ones([n, n]));
        const { liveBytes, arenaBytes, peakBytes } = ng.memory();
        if (backend === "native") assert.ok(arenaBytes >= n * n * 4, "a product lives in the arena");
        assert.ok(peakBytes >= liveBytes + arenaBytes);
        const large = allocateStorage("float32", 1 << 23);
        const high = ng.memory().peakBytes;
        assert.ok(high >= arenaBytes + large.array.byteLength);
        ng.resetPeakMemory();
        const again = ng.memory();
        assert.ok(again.peakBytes >= again.liveBytes + again.arenaBytes && again.peakBytes <= high);
      }));

    test("compiled programs share an arena: the second takes what the first has left", () =>
      onBackend(backend, () => {
        const n = backend === "native" ? 700 : 64;
        const compiled = () => ng.jit((x: ng.Tensor) => ng.sum(ng.matmul(ng.matmul(x, x), x)));
        compiled()(ng.ones([n, n]));
        const { arenaBytes } = ng.memory();
        compiled()(ng.ones([n, n]));
        assert.equal(ng.memory().arenaBytes, arenaBytes);
      }));
  });
}
