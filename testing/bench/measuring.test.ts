import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Check } from "../../bench/harness/index.ts";
import {
  disagreement,
  glorot,
  labelledBatch,
  measure,
  readArray,
  uniform,
  writeArrays,
} from "../../bench/harness/index.ts";
import { doubling, FakeParty, measured, silent, steady, task } from "./fakes.ts";

describe("inputs", () => {
  test("the same seed gives the same numbers, another seed others", () => {
    assert.deepEqual(uniform([100], 1), uniform([100], 1));
    assert.notDeepEqual(uniform([100], 1), uniform([100], 2));
  });

  test("uniform numbers fill their range evenly", () => {
    const { data } = uniform([100_000], 3, -2, 2);
    const counts = new Array<number>(8).fill(0);
    for (const value of data) {
      assert.ok(value >= -2 && value < 2);
      const bin = Math.floor((value + 2) * 2);
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    for (const count of counts) assert.ok(Math.abs(count - 12_500) < 500, `a bin holds ${count} of 100,000`);
  });

  test("initial kernels keep Glorot's limit, with a convolution's receptive field", () => {
    const limit = Math.sqrt(6 / (9 * 32 + 9 * 64));
    const largest = glorot([3, 3, 32, 64], 5).data.reduce(
      (most, value) => Math.max(most, Math.abs(value)),
      0,
    );
    assert.ok(largest <= limit && largest > 0.99 * limit);
  });

  test("a labelled batch has every class in range and pixels from 0 to 1", () => {
    const { x, labels } = labelledBatch([128, 28, 28, 1], 7);
    assert.deepEqual([x.shape, labels.shape], [[128, 28, 28, 1], [128]]);
    assert.equal(new Set(labels.data).size, 10);
    assert.ok(labels.data.every((label) => label >= 0 && label < 10));
    assert.ok(x.data.every((value) => value >= 0 && value < 1));
  });

  test("arrays written for the parties are read back bit for bit", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nagare-bench-test-"));
    const arrays = { x: uniform([3, 5], 1), labels: { shape: [3], data: Int32Array.of(-1, 0, 7) } };
    const files = await writeArrays(folder, arrays);
    assert.deepEqual(files.x && (await readArray(files.x)), arrays.x);
    assert.deepEqual(files.labels && (await readArray(files.labels)), arrays.labels);
    await rm(folder, { recursive: true });
  });
});

describe("agreement of results", () => {
  const values: Check = { kind: "values", tolerance: 1e-3 };
  const losses: Check = { kind: "losses", sameSteps: 2, tolerance: 0.01 };
  const output = (...elements: number[]) => ({ output: Float32Array.from(elements), losses: [] });

  test("outputs may differ by the tolerance times our largest magnitude", () => {
    assert.equal(disagreement(values, output(1, -100), output(1.09, -100)), undefined);
    assert.match(
      disagreement(values, output(1, -100), output(1.2, -100)) ?? "",
      /gives 1\.2\d* at 0 where Nagare gives 1$/,
    );
  });

  test("NaN, and an output of another size, agree with nothing", () => {
    assert.match(disagreement(values, output(1, 2), output(1, Number.NaN)) ?? "", /gives NaN at 1/);
    assert.match(disagreement(values, output(1, 2), output(1)) ?? "", /1 elements where Nagare has 2/);
    assert.equal(disagreement(values, output(1), { losses: [] }), "returned no output");
  });

  test("losses agree in the first steps and fall later", () => {
    const ours = { losses: [2, 1.9, 1.5, 1] };
    assert.equal(disagreement(losses, ours, { losses: [2.01, 1.9, 1.7, 1.2] }), undefined);
    assert.match(disagreement(losses, ours, { losses: [2, 1.8, 1] }) ?? "", /the loss 1\.8 after 1 steps/);
    assert.match(disagreement(losses, ours, { losses: [2, 1.9, 2] }) ?? "", /does not learn/);
    assert.match(disagreement(losses, ours, { losses: [2] }) ?? "", /the loss NaN after 1 steps/);
  });
});

describe("measuring", () => {
  test("parties take turns: one at a time, the first of a round changing", async () => {
    const order: string[] = [];
    let computing = 0;
    const parties = ["nagare", "a", "b"].map(
      (name) =>
        new FakeParty(name, (request) => {
          computing += 1;
          assert.equal(computing, 1);
          order.push(name);
          computing -= 1;
          return steady(1)(request);
        }),
    );
    await measure(doubling, parties, 3, silent);
    assert.deepEqual(order, ["nagare", "a", "b", "nagare", "a", "b", "a", "b", "nagare", "b", "nagare", "a"]);
  });

  test("only the first turn brings inputs, and its time is not counted", async () => {
    const party = new FakeParty("nagare", (request, turn) => steady(turn === 0 ? 1000 : 20)(request));
    const { outcomes } = await measure(doubling, [party], 2, silent);
    assert.deepEqual(
      party.requests.map(({ inputs, output }) => [inputs !== undefined, output !== undefined]),
      [
        [true, true],
        [false, false],
        [false, false],
      ],
    );
    assert.deepEqual(outcomes.get("nagare"), measured(20, 20, 20, 20, 20, 20));
  });

  test("short work is timed more often in a turn than long work", async () => {
    const [quick, slow] = [new FakeParty("nagare", steady(0.1)), new FakeParty("a", steady(5000))];
    await measure(doubling, [quick, slow], 1, silent);
    assert.deepEqual([quick.requests[1]?.samples, slow.requests[1]?.samples], [20, 3]);
    const swept = new FakeParty("nagare", steady(0.1));
    await measure({ ...doubling, work: "twice" }, [swept], 1, silent);
    assert.equal(swept.requests[1]?.samples, 500);
  });

  test("training takes more steps in its first turn, so that its loss falls", async () => {
    const [training, other] = [new FakeParty("nagare", steady(1)), new FakeParty("nagare", steady(1))];
    const check: Check = { kind: "losses", sameSteps: 1, tolerance: 1 };
    await measure({ ...doubling, check }, [training], 1, silent);
    await measure(doubling, [other], 1, silent);
    assert.deepEqual([training.requests[0]?.samples, other.requests[0]?.samples], [8, 1]);
  });

  test("a party that fails, lacks the workload or disagrees has no time", async () => {
    const parties = [
      new FakeParty("nagare", steady(1)),
      new FakeParty("fails", () => ({ error: "no such kernel" })),
      new FakeParty("fails later", (request, turn) => (turn > 1 ? { error: "ended" } : steady(1)(request))),
      new FakeParty("lacks", () => ({ unsupported: "has no doubling" })),
      new FakeParty("disagrees", steady(1), [1, 3]),
    ];
    const { outcomes } = await measure(doubling, parties, 2, silent);
    assert.equal(outcomes.get("nagare")?.kind, "measured");
    assert.deepEqual(outcomes.get("fails"), { kind: "failed", reason: "no such kernel" });
    assert.deepEqual(outcomes.get("fails later"), { kind: "failed", reason: "ended" });
    assert.deepEqual(outcomes.get("lacks"), { kind: "unsupported" });
    assert.deepEqual(outcomes.get("disagrees"), {
      kind: "failed",
      reason: "gives 3 at 1 where Nagare gives 2",
    });
    assert.equal(parties[1]?.requests.length, 1, "a party that is out is not asked again");
  });

  test("losses of all turns count as one training", async () => {
    const training = task("training", { kind: "losses", sameSteps: 1, tolerance: 0.1 });
    const learner = (name: string, rate: number) =>
      new FakeParty(name, (request, turn) => ({ ...steady(1)(request), losses: [2 - rate * turn] }));
    const { outcomes } = await measure(training, [learner("nagare", 0.5), learner("stuck", 0)], 2, silent);
    assert.equal(outcomes.get("nagare")?.kind, "measured");
    assert.deepEqual(outcomes.get("stuck"), {
      kind: "failed",
      reason: "does not learn: its loss goes from 2 to 2 in 3 steps",
    });
  });

  test("a workload without counterpart is ours alone", async () => {
    const peer = new FakeParty("a", steady(1));
    const own = task("own", { kind: "none" }, { peers: false });
    const { outcomes } = await measure(own, [new FakeParty("nagare", steady(1)), peer], 1, silent);
    assert.deepEqual([...outcomes.keys()], ["nagare"]);
    assert.equal(peer.requests.length, 0);
  });
});
