import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Tensor, ValueError } from "../../packages/nagare/src/core/index.ts";
import { Dataset } from "../../packages/nagare/src/data/index.ts";
import { assertAsyncProperty } from "../property.ts";
import { arrays, collect, counting, numbers, sorted } from "./elements.ts";

describe("shuffle", () => {
  const rows = (count: number) => Dataset.fromTensors(counting([count]));
  const streamed = (count: number) => Dataset.fromIterable(numbers(count));

  test("rows come in an order of each epoch that only seed and epoch decide", async () => {
    const dataset = rows(50).shuffle({ seed: 3 });
    const orders = [0, 1, 2].map((epoch) => arrays(dataset, { epoch }) as Promise<number[]>);
    const [first, second] = await Promise.all(orders);
    assert.ok(first && second);
    assert.deepEqual(sorted(first), numbers(50));
    assert.deepEqual(sorted(second), numbers(50));
    assert.notDeepEqual(first, second);
    assert.deepEqual(await arrays(rows(50).shuffle(3), { epoch: 0 }), first);
    assert.notDeepEqual(await arrays(rows(50).shuffle(4), { epoch: 0 }), first);
  });

  test("plain loops get one epoch after the other", async () => {
    const dataset = rows(20).shuffle();
    for (const epoch of [0, 1, 2]) {
      const loop = (await collect(dataset)).map((t) => t.item());
      assert.deepEqual(loop, await arrays(dataset, { epoch }));
    }
  });

  test("every row is as likely in the first place as any other", async () => {
    const dataset = rows(4).shuffle({ seed: 1 });
    const counts = [0, 0, 0, 0];
    for (let epoch = 0; epoch < 2000; epoch++) {
      const { value } = await dataset.iterate({ epoch }).next();
      counts[(value as Tensor).item() as number] = (counts[(value as Tensor).item() as number] ?? 0) + 1;
    }
    // χ² with 3 degrees of freedom is below 16.3 in 99.9 % of fair cases; the seed is fixed.
    const chiSquare = counts.reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0);
    assert.ok(chiSquare < 16.3, String(counts));
  });

  test("a buffer changes the order of any elements, none comes earlier than the buffer allows", async () => {
    await assertAsyncProperty(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 70 }),
        fc.nat(9),
        async (count, buffer, seed) => {
          const order = await collect(streamed(count).shuffle({ seed, buffer }).iterate());
          assert.deepEqual(sorted(order), numbers(count));
          order.forEach((value, place) => {
            assert.ok(value - place <= buffer);
          });
        },
      ),
    );
  });

  test("a long stream uses one sequence of random numbers, however many it needs", async () => {
    const order = await collect(streamed(5000).shuffle({ seed: 2, buffer: 5000 }).iterate());
    assert.deepEqual(sorted(order), numbers(5000));
    assert.notDeepEqual(
      order.slice(0, 100),
      order.slice(0, 100).toSorted((a, b) => a - b),
    );
  });

  test("seeds and buffers out of range are refused", () => {
    for (const seed of [-1, 0.5, 2 ** 32, Number.NaN])
      assert.throws(() => rows(2).shuffle({ seed }), ValueError);
    for (const buffer of [0, -1, 1.5]) assert.throws(() => rows(2).shuffle({ buffer }), ValueError);
  });
});

describe("stages", () => {
  const source = () => Dataset.fromIterable(numbers(10));

  test("map applies sync and async functions, and only to what is wanted", async () => {
    const seen: number[] = [];
    const dataset = source().map(async (x) => {
      seen.push(x);
      return x * x;
    });
    assert.deepEqual(await collect(dataset.take(3).iterate({ skipBatches: 1 })), [1, 4]);
    assert.deepEqual(seen, [1, 2]);
    assert.equal(dataset.size, 10);
  });

  test("an error in map reaches the loop, also through prefetch", async () => {
    const failing = source().map((x) => {
      if (x === 2) throw new RangeError("two");
      return x;
    });
    for (const dataset of [failing, failing.prefetch(5)]) {
      const seen: number[] = [];
      await assert.rejects(async () => {
        for await (const x of dataset) seen.push(x);
      }, /two/);
      assert.deepEqual(seen, [0, 1]);
    }
  });

  test("take, skip and repeat say and give their sizes", async () => {
    const cases = [
      [source().take(3), [0, 1, 2]],
      [source().take(30), numbers(10)],
      [source().skip(8), [8, 9]],
      [source().skip(2).take(3).skip(1), [3, 4]],
      [source().take(2).repeat(3), [0, 1, 0, 1, 0, 1]],
    ] as const;
    for (const [dataset, expected] of cases) {
      assert.deepEqual(await collect(dataset.iterate()), expected);
      assert.equal(dataset.size, expected.length);
    }
    assert.equal(source().repeat().size, undefined);
    assert.deepEqual(await collect(source().skip(8).repeat().take(5).iterate()), [8, 9, 8, 9, 8]);
  });

  test("every repetition has an order of its own", async () => {
    const shuffled = Dataset.fromTensors(counting([20])).shuffle({ seed: 5 });
    const twice = (await arrays(shuffled.repeat(2), { epoch: 1 })) as number[];
    assert.deepEqual(twice.slice(0, 20), await arrays(shuffled, { epoch: 2 }));
    assert.deepEqual(twice.slice(20), await arrays(shuffled, { epoch: 3 }));
  });

  test("take stops without asking for one element more", async () => {
    let asked = 0;
    const endless = Dataset.fromGenerator(function* () {
      for (;;) yield asked++;
    });
    assert.deepEqual(await collect(endless.take(3).iterate()), [0, 1, 2]);
    assert.equal(asked, 3);
  });

  test("cache goes through its source once, unless the first loop stops early", async () => {
    let made = 0;
    const dataset = Dataset.fromGenerator(function* () {
      made += 1;
      yield* [1, 2, 3];
    }).cache();
    for await (const x of dataset) if (x === 2) break;
    assert.equal(dataset.size, undefined);
    assert.deepEqual(await collect(dataset), [1, 2, 3]);
    assert.deepEqual(await collect(dataset), [1, 2, 3]);
    assert.deepEqual(await collect(dataset.iterate({ skipBatches: 2 })), [3]);
    assert.deepEqual([made, dataset.size], [2, 3]);
  });

  test("prefetch makes elements ahead and keeps their order", async () => {
    let made = 0;
    const dataset = source()
      .map((x) => {
        made += 1;
        return x;
      })
      .prefetch(3);
    const iterator = dataset.iterate();
    assert.equal((await iterator.next()).value, 0);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(made, 4);
    assert.deepEqual(await collect(iterator), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("leaving a loop early lets the source clean up, through every stage", async () => {
    let closed = 0;
    const dataset = Dataset.fromGenerator(function* () {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        closed += 1;
      }
    });
    const stages = [
      dataset,
      dataset.map((x) => x),
      dataset.prefetch(2),
      dataset.shuffle({ buffer: 4 }),
      dataset.batch(2),
      dataset.skip(1).cache().repeat(),
    ];
    for (const [i, stage] of stages.entries()) {
      for await (const _ of stage as Dataset<unknown>) break;
      assert.equal(closed, i + 1, `stage ${i}`);
    }
  });

  test("counts that are not positive whole numbers are refused", () => {
    for (const count of [0, -1, 1.5, Number.NaN, "3" as unknown as number]) {
      assert.throws(() => source().batch(count), ValueError);
      assert.throws(() => source().take(count), ValueError);
      assert.throws(() => source().repeat(count), ValueError);
      assert.throws(() => source().prefetch(count), ValueError);
      assert.throws(() => Dataset.fromGenerator(() => [1], { size: count }), ValueError);
    }
    assert.throws(() => source().skip(-1), ValueError);
    assert.throws(() => source().skip(10), ValueError);
    assert.throws(() => source().batch(11, { dropRemainder: true }), /dropRemainder/);
    assert.throws(() => source().iterate({ epoch: -1 }), ValueError);
    assert.throws(() => source().iterate({ skipBatches: 0.5 }), ValueError);
  });
});

describe("an iteration resumed from its state", () => {
  const rows = () => Dataset.fromTensors(counting([23]));
  const generated = () => Dataset.fromGenerator(() => numbers(23));
  const pipelines: Readonly<Record<string, () => Dataset<unknown>>> = {
    "shuffled rows in batches": () => rows().shuffle({ seed: 1 }).batch(4).prefetch(2),
    "whole batches of some rows": () => rows().skip(2).shuffle(9).take(17).batch(4, { dropRemainder: true }),
    "rows one by one": () => rows().shuffle(2),
    "a generator in batches": () =>
      generated()
        .map((x) => x * 2)
        .batch(5),
    "a shuffle buffer": () => generated().shuffle({ seed: 3, buffer: 7 }).batch(2),
    "repetitions of known size": () => rows().shuffle(4).batch(4).repeat(3),
    "repetitions of unknown size": () => generated().skip(3).repeat(2),
    "endless repetitions": () => rows().shuffle(1).repeat().take(60).batch(7),
    "a cache": () => generated().cache().shuffle({ seed: 1 }),
  };
  const plain = (element: unknown): unknown =>
    typeof element === "object" && element !== null && "toArray" in element
      ? (element as Tensor).toArray()
      : element;

  for (const [name, make] of Object.entries(pipelines)) {
    test(`gives what the uninterrupted one does: ${name}`, async () => {
      const whole = (await collect(make().iterate({ epoch: 2 }))).map(plain);
      const { size } = make();
      if (size !== undefined) assert.equal(whole.length, size);
      for (let stop = 0; stop <= whole.length; stop++) {
        const iterator = make().iterate({ epoch: 2 });
        const before: unknown[] = [];
        for (let i = 0; i < stop; i++) before.push(plain((await iterator.next()).value));
        const { epoch, index } = iterator.state;
        assert.deepEqual([epoch, index], [2, stop]);
        await iterator.return();
        if (stop === whole.length && stop === 0) continue;
        const after = (await collect(make().iterate({ epoch, skipBatches: index }))).map(plain);
        assert.deepEqual([...before, ...after], whole, `stopped after ${stop}`);
      }
    });
  }
});
