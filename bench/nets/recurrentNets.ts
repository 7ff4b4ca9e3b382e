import * as ng from "nagare";
import { labelledBatch, text, uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, time, features, units] = [32, 64, 16, 128];

/** Training of a classifier of sequences of measurements. */
export const gruTrain: Work = {
  name: "gru_train_b32t64",
  about: `training step of two GRUs of ${units} on ${batch} sequences of ${time} × ${features} numbers with Adam`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({
    ...labelledBatch([batch, time, features], 310),
    ...initialKernels(
      [
        [features, 3 * units],
        [units, 3 * units],
        [units, 3 * units],
        [units, 3 * units],
        [units, 10],
      ],
      311,
    ),
  }),
  prepare: (inputs) =>
    trainStep(
      nn.sequential([
        nn.gru({ units, returnSequences: true, resetAfter: true }),
        nn.gru({ units }),
        nn.dense({ units: 10 }),
      ]),
      inputs,
    ),
};

const [sentences, words, vocabulary, width, half] = [32, 50, 5000, 64, 64];

/** Training of a tagger of words, which sees those before and behind each. */
export const taggerTrain: Work = {
  name: "bilstm_train_b32t50",
  about: `training step of a tagger: embedding ${vocabulary}×${width}, an LSTM of ${half} each way, dense 10, ${sentences} sentences of ${words} words with Adam`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  inputs() {
    const { x, labels } = text([sentences, words], vocabulary, 320);
    return {
      x,
      labels: { shape: labels.shape, data: labels.data.map((word) => word % 10) },
      kernel1: uniform([vocabulary, width], 321, -0.5, 0.5),
      ...initialKernels(
        [
          [width, 4 * half],
          [half, 4 * half],
          [width, 4 * half],
          [half, 4 * half],
          [2 * half, 10],
        ],
        322,
        2,
      ),
    };
  },
  prepare: (inputs) =>
    trainStep(
      nn.sequential([
        nn.embedding({ inputDim: vocabulary, outputDim: width }),
        nn.bidirectional({ layer: nn.lstm({ units: half, returnSequences: true, unitForgetBias: false }) }),
        nn.dense({ units: 10 }),
      ]),
      inputs,
    ),
};
