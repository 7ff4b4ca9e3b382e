import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { learningCurves } from "../../examples/digits/curves.ts";
import {
  confusionMatrix,
  confusionTable,
  digitsInARow,
  epochTable,
  type Figures,
  verdict,
} from "../../examples/digits/report.ts";

const figures = (loss: number, valLoss: number, accuracy = 0.99, valAccuracy = 0.985): Figures => ({
  loss,
  valLoss,
  accuracy,
  valAccuracy,
});

test("the table shows training beside validation, a line an epoch", () => {
  assert.equal(
    epochTable([figures(0.21234, 0.05), { loss: 0.1, accuracy: 1 }]),
    [
      "            loss                  accuracy",
      "epoch   training validation    training validation",
      "    1     0.2123    0.0500      0.9900    0.9850",
      "    2     0.1000       NaN      1.0000       NaN",
    ].join("\n"),
  );
});

describe("the verdict", () => {
  const cases: readonly (readonly [string, readonly Figures[], RegExp])[] = [
    ["without epochs", [], /^No epoch/],
    [
      "when the validation loss rises again",
      [figures(0.1, 0.05), figures(0.05, 0.08)],
      /^Overfitting.*0\.0500 to 0\.0800/,
    ],
    [
      "when validation lags behind",
      [figures(0.01, 0.2, 0.999, 0.95)],
      /^Overfitting.*0\.9500 lags behind training 0\.9990/,
    ],
    ["when too little is learnt", [figures(0.6, 0.5, 0.8, 0.83)], /^Underfitting.*0\.8300/],
    [
      "when all is well",
      [figures(0.05, 0.04)],
      /^A good fit: validation loss 0\.0400 beside training 0\.0500\.$/,
    ],
    ["when it goes on falling", [figures(0.2, 0.06), figures(0.06, 0.04)], /^A good fit.*still falling\.$/],
    ["when it hardly falls", [figures(0.05, 0.041), figures(0.04, 0.04)], /^A good fit.*0\.0400\.$/],
  ];
  for (const [when, epochs, says] of cases) {
    test(when, () => {
      assert.match(verdict(epochs), says);
      assert.ok(!verdict(epochs).includes("\n"));
    });
  }
});

test("the confusion matrix counts true digits by predicted ones", () => {
  const counts = confusionMatrix([0, 1, 1, 2, 2, 2], [0, 1, 2, 2, 2, 0], 3);
  assert.deepEqual(counts, [
    [1, 0, 0],
    [0, 1, 1],
    [1, 0, 2],
  ]);
  assert.equal(
    confusionTable(counts),
    [
      "true \\ predicted      0     1     2",
      "               0      1     ·     ·",
      "               1      ·     1     1",
      "               2      1     ·     2",
    ].join("\n"),
  );
});

test("digits are drawn beside each other, with what is said of them", () => {
  const [blank, full] = [new Float32Array(784), new Float32Array(784).fill(1)];
  const half = Float32Array.from({ length: 784 }, (_, i) => (i % 56 < 28 ? 1 : 0));
  const lines = digitsInARow([blank, full, half], [0, 1, 2], [0, 7, 2]).split("\n");
  assert.equal(lines.length, 15);
  for (const line of lines.slice(0, 14)) {
    assert.equal(line, `${" ".repeat(28)}  ${"█".repeat(28)}  ${"▒".repeat(28)}`);
  }
  assert.equal(
    lines[14],
    "  is 0, predicted 0".padEnd(30) + "  is 1, predicted 7  ✗".padEnd(30) + "  is 2, predicted 2".padEnd(28),
  );
});

describe("the learning curves", () => {
  const points = (svg: string) =>
    [...svg.matchAll(/<polyline[^>]* points="([^"]*)"/g)].map(([, text]) => text ?? "");

  test("are well-formed and have two lines in each of two panels", () => {
    const svg = learningCurves([figures(0.2, 0.06), figures(0.06, 0.04), figures(0.04, 0.035)]);
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg".*<\/svg>\n$/s);
    assert.ok(!svg.includes("NaN") && !svg.includes("Infinity"));
    const open = [...svg.matchAll(/<(\w+)(?:\s[^>]*[^/])?>/g)].map(([, name]) => name);
    const closed = [...svg.matchAll(/<\/(\w+)>/g)].map(([, name]) => name);
    assert.deepEqual(open.toSorted(), closed.toSorted());
    assert.deepEqual(
      points(svg).map((line) => line.split(" ").length),
      [3, 3, 3, 3],
    );
  });

  test("rise and fall with their figures, inside the picture", () => {
    const svg = learningCurves([figures(0.2, 0.06, 0.9, 0.95), figures(0.05, 0.04, 0.98, 0.97)]);
    for (const [i, line] of points(svg).entries()) {
      const [[x0, y0], [x1, y1]] = line.split(" ").map((point) => point.split(",").map(Number)) as [
        [number, number],
        [number, number],
      ];
      assert.ok(0 < x0 && x0 < x1 && x1 < 720);
      for (const y of [y0, y1]) assert.ok(0 < y && y < 340);
      // A picture's y grows downwards.
      assert.equal(y1 > y0, i < 2, "losses fall, accuracies rise");
    }
  });

  test("have round numbers at their axes", () => {
    const svg = learningCurves([figures(0.218, 0.06, 0.932, 0.982), figures(0.04, 0.031, 0.99, 0.991)]);
    const marks = [...svg.matchAll(/text-anchor="end">([^<]*)</g)].map(([, text]) => text);
    assert.deepEqual(marks, [
      "0.00",
      "0.05",
      "0.10",
      "0.15",
      "0.20",
      "0.25",
      "0.92",
      "0.94",
      "0.96",
      "0.98",
      "1.00",
    ]);
  });

  test("may be of one epoch, of equal figures, of many epochs, of none, with figures that are missing", () => {
    const flat = [figures(1, 1, 1, 1), figures(1, 1, 1, 1)];
    const many = Array.from({ length: 100 }, (_, i) => figures(1 / (i + 1), 1));
    const missing = [
      { loss: 1, accuracy: Number.NaN },
      { loss: 0.5, accuracy: 0.5 },
    ];
    for (const epochs of [
      [figures(0.1, 0.1)],
      flat,
      many,
      [],
      missing,
      [figures(0, 0, 0, 0)],
      [figures(3e5, 2e9)],
    ]) {
      const svg = learningCurves(epochs);
      assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
      assert.equal(points(svg).length, 4);
    }
    assert.ok((learningCurves(many).match(/text-anchor="middle"/g) ?? []).length <= 2 * 11);
  });
});
