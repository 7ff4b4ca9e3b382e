import * as ng from "nagare";
import { text, uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn, optim } = ng;

const [batch, time, vocabulary, width, heads, layers, inner] = [4, 128, 1000, 256, 8, 4, 704];
const depth = width / heads;

/** Turns pairs of numbers by angles in proportion to the time (Su et al. 2021): x [batch, time, heads, depth]. */
function rotate(x: ng.Tensor): ng.Tensor {
  const half = depth / 2;
  const frequencies = ng
    .arange(half)
    .mul(-Math.log(10_000) / half)
    .exp();
  const angles = ng.outer(ng.arange(time), frequencies).reshape([time, 1, half]);
  const [cos, sin] = [angles.cos(), angles.sin()];
  const [a, b] = ng.split(x, 2, { axis: -1 }) as [ng.Tensor, ng.Tensor];
  return ng.concat([a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))], { axis: -1 });
}

const rmsNorm = () => nn.rmsNormalization({ epsilon: 1e-5 });
const dense = (units: number) => nn.dense({ units, useBias: false });

class Block extends nn.Module {
  readonly norm1 = rmsNorm();
  readonly packed = dense(3 * width);
  readonly joined = dense(width);
  readonly norm2 = rmsNorm();
  readonly gate = dense(inner);
  readonly wide = dense(inner);
  readonly narrow = dense(width);

  override forward(x: ng.Tensor): ng.Tensor {
    const packed = this.packed.call(this.norm1.call(x));
    const [q, k, v] = ng
      .split(packed, 3, { axis: -1 })
      .map((one) => one.reshape([-1, time, heads, depth])) as [ng.Tensor, ng.Tensor, ng.Tensor];
    const found = ng.scaledDotProductAttention(rotate(q), rotate(k), v, { causal: true });
    const attended = x.add(this.joined.call(found.reshape([-1, time, width])));
    const normal = this.norm2.call(attended);
    const gated = ng.silu(this.gate.call(normal)).mul(this.wide.call(normal));
    return attended.add(this.narrow.call(gated));
  }
}

class Llama extends nn.Module {
  readonly words = nn.embedding({ inputDim: vocabulary, outputDim: width });
  readonly blocks = nn.sequential(Array.from({ length: layers }, () => new Block()));
  readonly norm = rmsNorm();
  readonly head = dense(vocabulary);

  override forward(x: ng.Tensor): ng.Tensor {
    return this.head.call(this.norm.call(this.blocks.call(this.words.call(x))));
  }
}

/** Training of a decoder with rotary positions, root mean squares and gates (Touvron et al. 2023). */
export const llama: Work = {
  name: "llama_train_b4t128",
  about: `training step of a decoder of ${layers} layers, ${heads} heads, width ${width}, gates of ${inner}, rotary positions, ${batch} × ${time} words of ${vocabulary} with AdamW`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  parameters: { heads },
  inputs: () => ({
    ...text([batch, time], vocabulary, 520),
    kernel1: uniform([vocabulary, width], 521, -0.5, 0.5),
    ...initialKernels(
      [
        ...Array.from({ length: layers }, () => [
          [width, 3 * width],
          [width, width],
          [width, inner],
          [width, inner],
          [inner, width],
        ]).flat(),
        [width, vocabulary],
      ],
      522,
      2,
    ),
  }),
  prepare: (inputs) =>
    trainStep(new Llama(), inputs, optim.adamw(1e-3, { epsilon: 1e-8, weightDecay: 0.01 })),
};
