import * as ng from "nagare";
import { glorot, labelledBatch } from "../harness/index.ts";
import { trainStep } from "./compiled.ts";
import { dimension, kernelsOf, type Size, type Workload } from "./workload.ts";

const { nn } = ng;

const sized = (batch: number, widths: readonly number[], name: string): Size => ({
  name: `mlp_train_${name}`,
  about: `training step of a ${widths.join("-")} network with Adam, batch ${batch}`,
  inputs: () => ({
    ...labelledBatch([batch, ...widths.slice(0, 1)], 10),
    ...Object.fromEntries(
      widths.slice(1).map((units, i) => [`kernel${i + 1}`, glorot([widths[i] ?? 0, units], 20 + i)]),
    ),
  }),
});

const [digits, wide] = [
  [784, 512, 256, 10],
  [1000, 2048, 2048, 100],
];

/** Training of a small network: products of middling size, and Adam over 535,818 parameters. */
export const mlpTrain: Workload = {
  ...sized(128, digits, "b128"),
  others: [
    sized(1, digits, "b1"),
    sized(32, digits, "b32"),
    sized(1000, digits, "b1000"),
    sized(32, [64, 32, 10], "small_b32"),
    sized(64, wide, "wide_b64"),
  ],
  unit: "ms",
  check: { kind: "losses", sameSteps: 5, tolerance: 5e-3 },
  peers: true,
  prepare(inputs) {
    const units = kernelsOf(inputs).map((kernel) => dimension(kernel, -1));
    const model = nn.sequential(
      units.map((units, i, { length }) => nn.dense({ units, ...(i < length - 1 && { activation: "relu" }) })),
    );
    return trainStep(model, inputs);
  },
};
