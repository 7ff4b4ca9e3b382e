import * as ng from "nagare";
import { text, uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn, optim } = ng;

const [batch, time, vocabulary, width, heads, layers] = [8, 96, 2000, 192, 4, 3];
/** Behind the sentences, whose lengths differ. */
const padding = 0;

const normal = () => nn.layerNormalization({ epsilon: 1e-5 });

/** Normalized behind each part and not before it (Devlin et al. 2019). */
class Block extends nn.Module {
  readonly attention = nn.multiHeadAttention({ heads, units: width });
  readonly norm1 = normal();
  readonly wide = nn.dense({ units: 4 * width, activation: "gelu" });
  readonly narrow = nn.dense({ units: width });
  readonly norm2 = normal();

  override forward(x: ng.Tensor, mask: ng.Tensor): ng.Tensor {
    const attended = this.norm1.call(x.add(this.attention.callAll([x, x, x, mask])));
    return this.norm2.call(attended.add(this.narrow.call(this.wide.call(attended))));
  }
}

class Bert extends nn.Module {
  readonly words = nn.embedding({ inputDim: vocabulary, outputDim: width });
  readonly positions = nn.embedding({ inputDim: time, outputDim: width });
  readonly norm = normal();
  readonly blocks = Array.from({ length: layers }, () => new Block());
  readonly head = nn.dense({ units: vocabulary });

  override forward(x: ng.Tensor): ng.Tensor {
    const mask = x.notEqual(padding).reshape([-1, 1, 1, time]);
    const placed = this.words.call(x).add(this.positions.call(ng.arange(time, { dtype: "int32" })));
    const encoded = this.blocks.reduce((y, block) => block.callAll([y, mask]), this.norm.call(placed));
    return this.head.call(encoded);
  }
}

/** Sentences of different lengths, with padding behind them. */
function sentences() {
  const { x, labels } = text([batch, time], vocabulary, 800);
  for (let sentence = 0; sentence < batch; sentence += 1)
    for (let i = 0; i < time; i += 1) {
      const place = sentence * time + i;
      x.data[place] = i < time - 8 * sentence ? Math.max(1, x.data[place] ?? 1) : padding;
    }
  return { x, labels };
}

/** Training of an encoder that does not look at padding. */
export const bert: Work = {
  name: "bert_train_b8t96",
  about: `training step of an encoder of ${layers} layers, ${heads} heads, width ${width}, masked padding, ${batch} × ${time} words of ${vocabulary} with AdamW`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  parameters: { heads },
  inputs: () => ({
    ...sentences(),
    kernel1: uniform([vocabulary, width], 801, -0.5, 0.5),
    kernel2: uniform([time, width], 802, -0.1, 0.1),
    ...initialKernels(
      [
        ...Array.from({ length: layers }, () => [
          ...Array.from({ length: 4 }, () => [width, width]),
          [width, 4 * width],
          [4 * width, width],
        ]).flat(),
        [width, vocabulary],
      ],
      803,
      3,
    ),
  }),
  prepare: (inputs) => trainStep(new Bert(), inputs, optim.adamw(1e-3, { epsilon: 1e-8, weightDecay: 0.01 })),
};
