/** The networks of the sweep `nets`, in the order in which they run and are listed. */
import type { Work } from "../workloads/workload.ts";
import { autoencoder } from "./autoencoder.ts";
import { bert } from "./bert.ts";
import { decodeStep } from "./decodeStep.ts";
import { denseNetTrain } from "./denseNet.ts";
import { diffusion } from "./diffusion.ts";
import { efficientNetInfer, efficientNetTrain } from "./efficientNet.ts";
import { generate } from "./generator.ts";
import { llama } from "./llama.ts";
import { mixer } from "./mixer.ts";
import { mobileNetInfer, mobileNetTrain } from "./mobileNet.ts";
import { perExample } from "./perExample.ts";
import { physicsNet } from "./physicsNet.ts";
import { recommender } from "./recommender.ts";
import { gruTrain, taggerTrain } from "./recurrentNets.ts";
import { resnet50Infer } from "./resnet50.ts";
import { temporalNet } from "./temporalNet.ts";
import { textNet } from "./textNet.ts";
import { translator } from "./translator.ts";
import { unet } from "./unet.ts";
import { vggInfer, vggTrain } from "./vgg.ts";
import { visionTransformer } from "./visionTransformer.ts";

export const nets: readonly Work[] = [
  mobileNetTrain,
  mobileNetInfer,
  denseNetTrain,
  efficientNetTrain,
  efficientNetInfer,
  resnet50Infer,
  vggTrain,
  vggInfer,
  unet,
  generate,
  diffusion,
  visionTransformer,
  mixer,
  translator,
  bert,
  llama,
  decodeStep,
  gruTrain,
  taggerTrain,
  textNet,
  temporalNet,
  recommender,
  autoencoder,
  physicsNet,
  perExample,
];
