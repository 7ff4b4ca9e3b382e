import * as ng from "nagare";
import { text, uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, time, vocabulary, width, heads, layers] = [8, 32, 1000, 128, 4, 2];

const normal = () => nn.layerNormalization({ epsilon: 1e-5 });
const mlp = () =>
  nn.sequential([nn.dense({ units: 4 * width, activation: "relu" }), nn.dense({ units: width })]);

class EncoderBlock extends nn.Module {
  readonly norm1 = normal();
  readonly attention = nn.selfAttention({ heads, units: width });
  readonly norm2 = normal();
  readonly mlp = mlp();

  override forward(x: ng.Tensor): ng.Tensor {
    const attended = x.add(this.attention.call(this.norm1.call(x)));
    return attended.add(this.mlp.call(this.norm2.call(attended)));
  }
}

class DecoderBlock extends nn.Module {
  readonly norm1 = normal();
  readonly attention = nn.selfAttention({ heads, units: width, causal: true });
  readonly norm2 = normal();
  readonly source = nn.multiHeadAttention({ heads, units: width });
  readonly norm3 = normal();
  readonly mlp = mlp();

  override forward(x: ng.Tensor, source: ng.Tensor): ng.Tensor {
    const own = x.add(this.attention.call(this.norm1.call(x)));
    const both = own.add(this.source.callAll([this.norm2.call(own), source]));
    return both.add(this.mlp.call(this.norm3.call(both)));
  }
}

/** An encoder of one sentence, and a decoder that looks at it (Vaswani et al. 2017, with the norms first). */
class Translator extends nn.Module {
  readonly words = nn.embedding({ inputDim: vocabulary, outputDim: width });
  readonly encoder = Array.from({ length: layers }, () => new EncoderBlock());
  readonly decoder = Array.from({ length: layers }, () => new DecoderBlock());
  readonly head = nn.dense({ units: vocabulary });

  override forward(x: ng.Tensor): ng.Tensor {
    const embedded = this.words.call(x);
    let source = embedded;
    for (const block of this.encoder) source = block.call(source);
    let target = embedded;
    for (const block of this.decoder) target = block.callAll([target, source]);
    return this.head.call(target);
  }
}

const square = [width, width];
const inner = [
  [width, 4 * width],
  [4 * width, width],
];
const encoderShapes = [[width, 3 * width], square, ...inner];
const decoderShapes = [[width, 3 * width], square, square, square, square, square, ...inner];
const times = <T>(count: number, items: readonly T[]): T[] =>
  Array.from({ length: count }, () => items).flat();

/** Training of a transformer that attends to another sentence than its own. */
export const translator: Work = {
  name: "translator_train_b8t32",
  about: `training step of a transformer of ${layers} + ${layers} layers, ${heads} heads, width ${width}, ${batch} pairs of ${time} words of ${vocabulary} with Adam`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  parameters: { heads },
  inputs: () => ({
    ...text([batch, time], vocabulary, 490),
    kernel1: uniform([vocabulary, width], 491, -0.5, 0.5),
    ...initialKernels(
      [...times(layers, encoderShapes), ...times(layers, decoderShapes), [width, vocabulary]],
      492,
      2,
    ),
  }),
  prepare: (inputs) => trainStep(new Translator(), inputs),
};
