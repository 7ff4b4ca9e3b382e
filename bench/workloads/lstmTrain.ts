import * as ng from "nagare";
import { glorot, text, uniform } from "../harness/index.ts";
import { trainStep } from "./trainStep.ts";
import type { Workload } from "./workload.ts";

const { nn, optim } = ng;
const [vocabulary, width] = [10_000, 512];

/** Training of a language model of words: a recurrent layer, and between large matrices whose rows are mostly not used. */
export const lstmTrain: Workload = {
  name: "lstm512_train_b20t20",
  about:
    "training step of embedding 10,000×512, LSTM 512, dense 10,000 with SGD, 20 sequences of 20 words (Zaremba et al. 2014)",
  unit: "ms",
  check: { kind: "losses", sameSteps: 5, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({
    ...text([20, 20], vocabulary, 90),
    kernel1: uniform([vocabulary, width], 91, -1, 1),
    kernel2: glorot([width, 4 * width], 92),
    kernel3: glorot([width, 4 * width], 93),
    kernel4: glorot([width, vocabulary], 94),
  }),
  prepare(inputs) {
    const model = nn.sequential([
      nn.embedding({ inputDim: vocabulary, outputDim: width }),
      nn.lstm({ units: width, returnSequences: true, unitForgetBias: false }),
      nn.dense({ units: vocabulary }),
    ]);
    return trainStep(model, inputs, optim.sgd(1));
  },
};
