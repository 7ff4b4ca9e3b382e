import * as ng from "nagare";
import { glorot, text, uniform } from "../harness/index.ts";
import { trainStep } from "./compiled.ts";
import { dimension, input, type Size, type Workload } from "./workload.ts";

const { nn, optim } = ng;

function sized(units: number, batch: number, time: number, vocabulary: number, width = units): Size {
  return {
    name: `lstm${units}_train_b${batch}t${time}`,
    about: `training step of embedding ${vocabulary.toLocaleString("en")}×${width}, LSTM ${units}, dense ${vocabulary.toLocaleString("en")} with SGD, ${batch} sequences of ${time} words (Zaremba et al. 2014)`,
    inputs: () => ({
      ...text([batch, time], vocabulary, 90),
      kernel1: uniform([vocabulary, width], 91, -1, 1),
      kernel2: glorot([width, 4 * units], 92),
      kernel3: glorot([units, 4 * units], 93),
      kernel4: glorot([units, vocabulary], 94),
    }),
  };
}

/** Training of a language model of words: a recurrent layer, and between large matrices whose rows are mostly not used. */
export const lstmTrain: Workload = {
  ...sized(512, 20, 20, 10_000),
  others: [
    sized(64, 32, 50, 100, 32),
    sized(128, 1, 100, 1000),
    sized(256, 64, 35, 500),
    sized(650, 10, 35, 10_000),
  ],
  unit: "ms",
  check: { kind: "losses", sameSteps: 5, tolerance: 5e-3 },
  peers: true,
  prepare(inputs) {
    const words = input(inputs, "kernel1");
    const model = nn.sequential([
      nn.embedding({ inputDim: dimension(words, 0), outputDim: dimension(words, 1) }),
      nn.lstm({
        units: dimension(input(inputs, "kernel3"), 0),
        returnSequences: true,
        unitForgetBias: false,
      }),
      nn.dense({ units: dimension(words, 0) }),
    ]);
    return trainStep(model, inputs, optim.sgd(1));
  },
};
