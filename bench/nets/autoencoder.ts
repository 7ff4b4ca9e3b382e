import * as ng from "nagare";
import { labelledBatch } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, pixels, inner, code] = [128, 784, 400, 20];

/** What a code costs and loses: its output is the negative evidence lower bound of each example (Kingma and Welling 2014). */
class VariationalAutoencoder extends nn.Module {
  readonly encode = nn.dense({ units: inner, activation: "relu" });
  readonly codes = nn.dense({ units: 2 * code });
  readonly decode = nn.dense({ units: inner, activation: "relu" });
  readonly draw = nn.dense({ units: pixels });

  override forward(x: ng.Tensor): ng.Tensor {
    const [mean, logVariance] = ng.split(this.codes.call(this.encode.call(x)), 2, { axis: -1 }) as [
      ng.Tensor,
      ng.Tensor,
    ];
    const noise = ng.random.normal(ng.random.nextKey(), mean.shape);
    const logits = this.draw.call(this.decode.call(mean.add(noise.mul(logVariance.mul(0.5).exp()))));
    const lost = ng.softplus(logits).sub(x.mul(logits)).sum({ axis: -1 });
    const told = logVariance.add(1).sub(mean.square()).sub(logVariance.exp()).sum({ axis: -1 });
    return lost.sub(told.mul(0.5));
  }
}

/** Training of a net that draws random numbers in each step. */
export const autoencoder: Work = {
  name: "vae_train_b128",
  about: `training step of a variational autoencoder ${pixels}-${inner}-${code}-${inner}-${pixels} with Adam, batch ${batch}`,
  unit: "ms",
  // Every framework draws differently.
  check: { kind: "losses", sameSteps: 1, tolerance: 0.05 },
  peers: true,
  inputs: () => ({
    ...labelledBatch([batch, pixels], 360),
    ...initialKernels(
      [
        [pixels, inner],
        [inner, 2 * code],
        [code, inner],
        [inner, pixels],
      ],
      361,
    ),
  }),
  prepare: (inputs) => trainStep(new VariationalAutoencoder(), inputs, undefined, (_, bound) => bound.mean()),
};
