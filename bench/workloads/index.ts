/** The workloads, in the order in which they run and are listed. */
import { chargptTrain } from "./chargptTrain.ts";
import { conv3x3 } from "./conv3x3.ts";
import { convnetTrain } from "./convnetTrain.ts";
import { depthwiseConv } from "./depthwiseConv.ts";
import { dispatchEmpty } from "./dispatchEmpty.ts";
import { eagerAdd } from "./eagerAdd.ts";
import { geluChain } from "./geluChain.ts";
import { lstmTrain } from "./lstmTrain.ts";
import { matmul1024 } from "./matmul1024.ts";
import { minilmInfer } from "./minilmInfer.ts";
import { mlpTrain } from "./mlpTrain.ts";
import { resnetTrain } from "./resnetTrain.ts";
import { softmax } from "./softmax.ts";
import type { Workload } from "./workload.ts";

export const workloads: readonly Workload[] = [
  matmul1024,
  geluChain,
  softmax,
  eagerAdd,
  dispatchEmpty,
  mlpTrain,
  convnetTrain,
  lstmTrain,
  chargptTrain,
  resnetTrain,
  minilmInfer,
  conv3x3,
  depthwiseConv,
];
