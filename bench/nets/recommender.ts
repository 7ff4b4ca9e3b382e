import * as ng from "nagare";
import { type InputArray, uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn, optim } = ng;

const [batch, fields, rows, width] = [1024, 8, 10_000, 16];

/** Who, what, where: a table for each, joined and judged by a small net (Cheng et al. 2016). */
class Recommender extends nn.Module {
  readonly tables = Array.from({ length: fields }, () => nn.embedding({ inputDim: rows, outputDim: width }));
  readonly judge = nn.sequential([
    nn.dense({ units: 64, activation: "relu" }),
    nn.dense({ units: 32, activation: "relu" }),
    nn.dense({ units: 2 }),
  ]);

  override forward(x: ng.Tensor): ng.Tensor {
    const columns = ng.split(x, fields, { axis: 1 });
    const found = this.tables.map((table, i) => table.call(columns[i] as ng.Tensor).reshape([-1, width]));
    return this.judge.call(ng.concat(found, { axis: -1 }));
  }
}

const below = (shape: readonly number[], limit: number, seed: number): InputArray => ({
  shape,
  data: Int32Array.from(uniform(shape, seed, 0, limit).data),
});

/** Training of tables of which a step uses a tenth of the rows. */
export const recommender: Work = {
  name: "recommender_train_b1024",
  about: `training step of ${fields} embeddings ${rows.toLocaleString("en")}×${width}, dense 64, 32, 2 with SGD, batch ${batch}`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({
    x: below([batch, fields], rows, 400),
    labels: below([batch], 2, 401),
    ...Object.fromEntries(
      Array.from({ length: fields }, (_, i) => [`kernel${i + 1}`, uniform([rows, width], 402 + i, -1, 1)]),
    ),
    ...initialKernels(
      [
        [fields * width, 64],
        [64, 32],
        [32, 2],
      ],
      420,
      fields + 1,
    ),
  }),
  prepare: (inputs) => trainStep(new Recommender(), inputs, optim.sgd(1)),
};
