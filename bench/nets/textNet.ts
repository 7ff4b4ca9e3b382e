import * as ng from "nagare";
import { text, uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, time, vocabulary, width, filters] = [64, 60, 5000, 64, 64];
const lengths = [3, 4, 5] as const;

/** The strongest answers of windows of several lengths (Kim 2014). */
class TextNet extends nn.Module {
  readonly words = nn.embedding({ inputDim: vocabulary, outputDim: width });
  readonly windows = lengths.map((length) =>
    nn.conv2d({ filters, kernelSize: [1, length], activation: "relu" }),
  );
  readonly head = nn.dense({ units: 10 });

  override forward(x: ng.Tensor): ng.Tensor {
    const line = this.words.call(x).expandDims(1);
    const strongest = this.windows.map((window) => window.call(line).max({ axis: [1, 2] }));
    return this.head.call(ng.concat(strongest, { axis: -1 }));
  }
}

/** Training of a classifier of sentences by convolutions along one axis. */
export const textNet: Work = {
  name: "textcnn_train_b64t60",
  about: `training step of embedding ${vocabulary}×${width}, convolutions over 3, 4 and 5 words, their maxima, dense 10, ${batch} sentences of ${time} words with Adam`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({
    x: text([batch, time], vocabulary, 380).x,
    labels: { shape: [batch], data: Int32Array.from({ length: batch }, (_, i) => (i * 7) % 10) },
    kernel1: uniform([vocabulary, width], 381, -0.5, 0.5),
    ...initialKernels(
      [...lengths.map((length) => [1, length, width, filters]), [lengths.length * filters, 10]],
      382,
      2,
    ),
  }),
  prepare: (inputs) => trainStep(new TextNet(), inputs),
};
