/** The network: two convolutions and two dense layers, 2.6 million multiplications an image. */
import { nn } from "nagare";

/** Images [batch, 28, 28, 1] in 0…1 → logits [batch, 10]. */
export function digitsModel(): nn.Sequential {
  return nn.sequential([
    nn.conv2d({ filters: 32, kernelSize: 3, activation: "relu", kernelInitializer: "heUniform" }),
    nn.maxPooling2d({ poolSize: 2 }),
    nn.conv2d({ filters: 64, kernelSize: 3, activation: "relu", kernelInitializer: "heUniform" }),
    nn.maxPooling2d({ poolSize: 2 }),
    nn.flatten(),
    nn.dense({ units: 128, activation: "relu", kernelInitializer: "heUniform" }),
    nn.dropout({ rate: 0.4 }),
    nn.dense({ units: 10 }),
  ]);
}
