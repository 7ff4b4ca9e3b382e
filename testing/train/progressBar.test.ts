import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { classifier, points } from "./problem.ts";

const { train } = ng;

/** A terminal that keeps what is written, and shows what a person would see. */
class Screen implements ng.train.TextStream {
  text = "";
  readonly isTTY: boolean;
  readonly columns: number | undefined;

  constructor(isTTY: boolean, columns?: number) {
    this.isTTY = isTTY;
    this.columns = columns;
  }

  write(text: string): void {
    this.text += text;
  }

  /** Each line as it looked last. */
  lines(): string[] {
    return this.text.split("\n").map((line) => line.split("\r").at(-1)?.replace("\u001b[K", "") ?? "");
  }
}

const progress = {
  epoch: 0,
  epochs: 3,
  batch: 120,
  batches: 469,
  examples: 7680,
  examplesPerSecond: 14210.4,
};

describe("the progress bar", () => {
  test("shows epoch, share, figures and speed", () => {
    assert.equal(
      train.formatProgress(progress, { loss: 0.33123, accuracy: 0.90119 }),
      "epoch 1/3 [██████──────────────────] 120/469  loss 0.3312  accuracy 0.9012  14,210 examples/s",
    );
    assert.match(train.formatProgress({ ...progress, batch: 469 }, {}), /\[█{24}\] 469\/469/);
  });

  test("has no bar where the number of batches is not known", () => {
    assert.equal(
      train.formatProgress({ ...progress, batches: undefined }, { loss: 1 }),
      "epoch 1/3 120  loss 1.0000  14,210 examples/s",
    );
  });

  test("draws over itself on a terminal and ends each epoch with a line", async () => {
    const screen = new Screen(true, 200);
    await classifier().fit(points(12), {
      epochs: 2,
      batchSize: 4,
      validationData: points(4),
      callbacks: [train.progressBar({ stream: screen, everyMs: 0 })],
    });
    assert.equal(screen.text.split("\r").length, 1 + 2 * (3 + 1));
    const lines = screen.lines();
    assert.equal(lines.length, 3);
    assert.match(
      lines[0] ?? "",
      /^epoch 1\/2 \[█{24}\] 3\/3 {2}loss \d\.\d{4} {2}accuracy \d\.\d{4} {2}valLoss /,
    );
    assert.match(lines[1] ?? "", /^epoch 2\/2 .* examples\/s$/);
  });

  test("writes only whole epochs where nothing can be redrawn", async () => {
    const screen = new Screen(false);
    const callbacks = [train.progressBar({ stream: screen })];
    await classifier().fit(points(12), { epochs: 2, batchSize: 4, callbacks });
    assert.equal(screen.text.split("\n").length, 3);
    for (const mark of ["\r", "\u001b"]) assert.ok(!screen.text.includes(mark));
  });

  test("never fills a narrow terminal's line", async () => {
    const screen = new Screen(true, 30);
    const callbacks = [train.progressBar({ stream: screen, everyMs: 0 })];
    await classifier().fit(points(8), { batchSize: 4, callbacks });
    for (const part of screen.text.split(/[\r\n]/)) assert.ok(part.replace("\u001b[K", "").length <= 29);
  });

  test("leaves the cursor on a line of its own when training fails", async () => {
    const screen = new Screen(true, 200);
    const fails: ng.train.Callback = {
      onBatchEnd({ batch }) {
        if (batch === 2) throw new Error("stop here");
      },
    };
    const callbacks = [train.progressBar({ stream: screen, everyMs: 0 }), fails];
    await assert.rejects(classifier().fit(points(12), { batchSize: 4, callbacks }));
    assert.match(screen.text, /2\/3.*\n$/s);
  });
});
