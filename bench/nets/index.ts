/** The networks of the sweep `nets`, in the order in which they run and are listed. */
import type { Work } from "../workloads/workload.ts";
import { autoencoder } from "./autoencoder.ts";
import { decodeStep } from "./decodeStep.ts";
import { diffusion } from "./diffusion.ts";
import { generate } from "./generator.ts";
import { llama } from "./llama.ts";
import { mixer } from "./mixer.ts";
import { mobileNetInfer, mobileNetTrain } from "./mobileNet.ts";
import { recommender } from "./recommender.ts";
import { gruTrain, taggerTrain } from "./recurrentNets.ts";
import { temporalNet } from "./temporalNet.ts";
import { textNet } from "./textNet.ts";
import { translator } from "./translator.ts";
import { unet } from "./unet.ts";
import { visionTransformer } from "./visionTransformer.ts";

export const nets: readonly Work[] = [
  mobileNetTrain,
  mobileNetInfer,
  unet,
  generate,
  diffusion,
  visionTransformer,
  mixer,
  translator,
  llama,
  decodeStep,
  gruTrain,
  taggerTrain,
  textNet,
  temporalNet,
  recommender,
  autoencoder,
];
