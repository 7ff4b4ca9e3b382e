/** Profiles: what they count, what they cost a program that is not profiled, and that their traces open. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { loadBackend, shareOfPeak } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { onEachBackend } from "../train/eachBackend.ts";

/** A chain of three elementwise operations, a product and a sum. */
function layer(x: ng.Tensor, w: ng.Tensor): ng.Tensor {
  return x.tanh().mul(2).add(1).matmul(w).sum();
}

const ones = (...shape: number[]): ng.Tensor => ng.ones(shape);

onEachBackend("profile", () => {
  test("rows have calls, time, and the arithmetic and memory that the shapes say", () => {
    const f = ng.jit(layer);
    const [x, w] = [ones(20, 30), ones(30, 40)];
    const plain = f(x, w).item();
    const { result, profile } = ng.profile(() => [f(x, w), f(x, w), f(x, w)].map((y) => y.item()));
    assert.deepEqual(result, [plain, plain, plain]);
    const row = profile.rows.find(({ name }) => name === "matmul");
    assert.ok(row, String(profile));
    assert.equal(row.calls, 3);
    const perMs = (count: number): number => (3 * count) / row.ms / 1e6;
    assert.ok(Math.abs(row.gflops / perMs(2 * 20 * 30 * 40) - 1) < 1e-9, `${row.gflops}`);
    assert.ok(Math.abs(row.gigabytes / perMs(4 * (600 + 1200 + 800)) - 1) < 1e-9, `${row.gigabytes}`);
    const shares = profile.rows.reduce((sum, { share }) => sum + share, 0);
    assert.ok(Math.abs(shares - 1) < 1e-9, String(shares));
    assert.ok(profile.kernelMs > 0 && profile.kernelMs <= profile.ms, String(profile));
    assert.deepEqual(profile.rows.map(({ name }) => name).sort(), ["fusion", "matmul", "reduceSum"]);
  });

  test("by shapes, calls on other shapes are other rows", () => {
    const { profile } = ng.profile(() => {
      for (const size of [2, 3, 3]) ones(size, 4).matmul(ones(4, size));
    });
    const products = profile.shapes.filter(({ name }) => name.startsWith("matmul"));
    assert.deepEqual(products.map(({ name, calls }) => `${calls} ${name}`).sort(), [
      "1 matmul [2, 4], [4, 2] → [2, 2]",
      "2 matmul [3, 4], [4, 3] → [3, 3]",
    ]);
    assert.match(profile.toString({ shapes: true }), /matmul \[2, 4\], \[4, 2\] → \[2, 2\]/);
  });

  test("the trace has a track for programs, one for eager operations and one for kernels", async () => {
    const f = ng.jit(layer);
    const { profile } = ng.profile(() => f(ones(2, 3), ones(3, 4)).add(1));
    const folder = mkdtempSync(join(tmpdir(), "nagare-profile-"));
    try {
      const file = join(folder, "trace.json");
      await profile.writeTrace(file);
      const { traceEvents } = JSON.parse(readFileSync(file, "utf8")) as ng.ChromeTrace;
      const tracks = new Map(
        traceEvents
          .filter(({ name }) => name === "thread_name")
          .map(({ tid, args }) => [String(args?.name), tid]),
      );
      const on = (track: string): string[] =>
        traceEvents.filter(({ ph, tid }) => ph === "X" && tid === tracks.get(track)).map(({ name }) => name);
      assert.deepEqual(on("programs"), ["compile trace layer", "compile layer", "layer"]);
      assert.deepEqual(on("eager operations"), ["full", "full", "add"]);
      assert.deepEqual(on("kernels").sort(), ["add", "full", "full", "fusion", "matmul", "reduceSum"]);
      for (const { ph, ts = -1, dur = -1 } of traceEvents)
        if (ph === "X") assert.ok(ts >= 0 && dur >= 0 && ts + dur <= profile.ms * 1000 + 1, `${ts} ${dur}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("each thread has a track, and work that is shared stands on several", (t) => {
    if (ng.backend() !== "native") return t.skip("the reference computes on one thread");
    const before = ng.threads();
    ng.setThreads(2);
    try {
      const f = ng.jit((x: ng.Tensor) => x.matmul(x).sum());
      const x = ones(256, 256);
      const { traceEvents } = ng.profile(() => f(x)).profile.chromeTrace();
      const tracks = traceEvents.filter(({ args }) => String(args?.name).startsWith("thread "));
      assert.deepEqual(
        tracks.map(({ args }) => args?.name),
        ["thread 0", "thread 1"],
      );
      const named = (tid: number) => traceEvents.filter((event) => event.tid === tid && event.ph === "X");
      const [kernel] = named(3).filter(({ name }) => name === "matmul");
      const parts = tracks.flatMap(({ tid }) => named(tid)).filter(({ name }) => name === "matmul");
      assert.ok(kernel && parts.length >= 1 && parts.length <= 2);
      for (const { ts = 0, dur = 0 } of parts) {
        assert.ok(ts >= (kernel.ts ?? 0) && ts + dur <= (kernel.ts ?? 0) + (kernel.dur ?? 0) + 1e-3);
      }
    } finally {
      ng.setThreads(before);
    }
  });

  test("of an asynchronous function everything until its end is recorded", async () => {
    const f = ng.jit(layer);
    const [x, w] = [ones(2, 3), ones(3, 4)];
    const { result, profile } = await ng.profile(async () => {
      await f.runAsync(x, w);
      return (await f.runAsync(x, w)).item();
    });
    assert.equal(result, f(x, w).item());
    assert.equal(profile.rows.find(({ name }) => name === "matmul")?.calls, 2);
  });

  test("a fused operation counts the arithmetic of its decomposition", () => {
    const { profile } = ng.profile(() => ones(8, 16).softmax());
    const names = profile.rows.filter(({ gflops }) => gflops > 0);
    assert.ok(names.length > 0, String(profile));
  });

  test("a failure ends the profile, and a profile inside a profile is refused", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const outer = ng.profile(() => promise);
    assert.throws(() => ng.profile(() => 1), /expected no other profile under way/);
    resolve();
    await outer;
    assert.throws(
      () =>
        ng.profile(() => {
          throw new RangeError("own");
        }),
      { name: "RangeError", message: "own" },
    );
    await assert.rejects(
      ng.profile(async () => {
        throw new RangeError("own");
      }),
      { name: "RangeError", message: "own" },
    );
    assert.equal(ng.profile(() => 5).result, 5);
  });
});

describe("peaks", {
  skip: testedBackends.includes("native") ? false : "the engine does not load here",
}, () => {
  test("the engine measures them once for each number of threads, or again if asked", () => {
    const native = loadBackend("native");
    const peaks = native.roofline?.();
    assert.ok(peaks);
    for (const [name, value] of Object.entries(peaks)) assert.ok(value > 1e6, `${name} ${value}`);
    assert.equal(native.roofline?.(), peaks);
    const later = native.roofline?.({ again: true });
    assert.notEqual(later, peaks);
    assert.equal(native.roofline?.(), later);
  });

  test("a profile of the engine says how near to them each line comes", () => {
    const { profile } = onBackend("native", () => ng.profile(() => ones(50, 60).matmul(ones(60, 50))));
    assert.match(String(profile), /of peak +operation\n.*\d % (arithmetic|memory) +matmul/s);
  });
});

test("the peak that a line is measured by is the one that it comes nearer to", () => {
  const peaks = { flopsOneThread: 1e11, flops: 2e11, bytesOneThread: 1e10, bytes: 2e10 };
  const row = { name: "f", calls: 1, ms: 1, share: 1 };
  assert.deepEqual(shareOfPeak({ ...row, gflops: 100, gigabytes: 5 }, peaks), {
    share: 0.5,
    of: "arithmetic",
  });
  assert.deepEqual(shareOfPeak({ ...row, gflops: 100, gigabytes: 15 }, peaks), { share: 0.75, of: "memory" });
});
