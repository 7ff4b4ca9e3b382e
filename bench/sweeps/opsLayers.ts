/** The sweep's normalizations, losses, pooling, attention, recurrent layers and optimizers. */
import * as ng from "nagare";
import { type F, floats, integers, type Operand, type Operation } from "./opsOperation.ts";

const { nn, optim } = ng;

/** A function and its gradients. */
const both = (sizes: readonly (readonly Operand[])[], f: F): Operation => ({ f, sizes, gradient: true });

const rows = [[floats(100, 100)], [floats(1000, 1000)], [floats(64, 50_000)], [floats(100_000, 10)]];
const normalized = [
  [floats(64, 128), floats(128), floats(128)],
  [floats(1024, 768), floats(768), floats(768)],
  [floats(8192, 256), floats(256), floats(256)],
];

const groupNorm = (x: ng.Tensor, scale: ng.Tensor, offset: ng.Tensor): ng.Tensor =>
  ng.groupNorm(x, { groups: 8, scale, offset, epsilon: 1e-5 });

const norms: Readonly<Record<string, Operation>> = {
  softmax: both(rows, (x) => x.softmax()),
  softmaxFirst: { f: (x) => x.softmax({ axis: 0 }), sizes: [[floats(1000, 1000)]] },
  logSoftmax: both([[floats(1000, 1000)]], (x) => x.logSoftmax()),
  crossEntropy: {
    ...both(
      [
        [floats(128, 10), integers(10, 128)],
        [floats(1024, 1000), integers(1000, 1024)],
        [floats(256, 32_000), integers(32_000, 256)],
      ],
      (x, labels) => nn.losses.sparseCategoricalCrossentropy(labels, x),
    ),
    result: () => [],
  },
  layerNorm: both(normalized, (x, scale, offset) => ng.layerNorm(x, { scale, offset, epsilon: 1e-5 })),
  rmsNorm: both([[floats(1024, 768), floats(768)]], (x, scale) => ng.rmsNorm(x, { scale, epsilon: 1e-5 })),
  groupNorm: both([[floats(8, 32, 32, 64), floats(64), floats(64)]], groupNorm),
  batchNorm: {
    layer: () => nn.batchNormalization({ epsilon: 1e-5 }),
    sizes: [
      [floats(8, 8, 8, 16), floats(16), floats(16)],
      [floats(32, 28, 28, 64), floats(64), floats(64)],
      [floats(32, 56, 56, 64), floats(64), floats(64)],
    ],
    gradient: true,
  },
};

const halved = (x: readonly number[] = []): readonly number[] =>
  x.map((size, i) => (i % 3 === 0 ? size : size / 2));
const pooled = [[floats(8, 14, 14, 32)], [floats(32, 56, 56, 64)]];

const windows: Readonly<Record<string, Operation>> = {
  maxPool: { ...both(pooled, (x) => x.maxPool2d({ window: 2 })), result: halved },
  maxPool3: {
    ...both(pooled.slice(1), (x) => x.maxPool2d({ window: 3, strides: 2, padding: [1, 1, 1, 1] })),
    result: halved,
  },
  avgPool: { ...both(pooled.slice(1), (x) => x.avgPool2d({ window: 2 })), result: halved },
  conv3: both([[floats(16, 28, 28, 64), floats(3, 3, 64, 64)]], (x, kernel) =>
    x.conv2d(kernel, { padding: [1, 1, 1, 1] }),
  ),
  conv3Strided: {
    ...both([[floats(16, 56, 56, 64), floats(3, 3, 64, 128)]], (x, kernel) =>
      x.conv2d(kernel, { strides: 2, padding: [1, 1, 1, 1] }),
    ),
    result: () => [16, 28, 28, 128],
  },
  convDepthwise: both([[floats(16, 28, 28, 96), floats(3, 3, 1, 96)]], (x, kernel) =>
    x.conv2d(kernel, { groups: 96, padding: [1, 1, 1, 1] }),
  ),
};

const heads = (...shape: [batch: number, time: number, heads: number, depth: number]) =>
  [0, 1, 2].map(() => floats(...shape));
const sequences = [heads(8, 128, 12, 64), heads(1, 1024, 8, 64), heads(16, 64, 4, 16)];

const attend =
  (causal: boolean): F =>
  (q, k, v) =>
    ng.scaledDotProductAttention(q, k, v, { causal }).reshape([...q.shape.slice(0, 2), -1]);

const flat = ([batch = 0, time = 0, heads = 0, depth = 0]: readonly number[] = []) => [
  batch,
  time,
  heads * depth,
];

const recurrent = (gates: number) =>
  [
    [32, 50, 128],
    [1, 100, 256],
    [64, 20, 512],
  ].map(([batch = 0, time = 0, units = 0]) => [
    floats(batch, time, units),
    ...[0, 1].map(() => ({ shape: [units, gates * units], low: -0.05, high: 0.05 })),
  ]);

/** Steps of an optimizer that change many small tensors, of which the first comes back. */
function steps(optimizer: () => ng.optim.Optimizer): Operation {
  return {
    sizes: [[floats(100, 64, 64), floats(100, 64, 64)]],
    prepare([x, gradient]) {
      const parts = (of: ng.Tensor | undefined) => ng.split(of as ng.Tensor, 100);
      const [weights, gradients] = [parts(x).map((part) => ng.variable(part)), parts(gradient)];
      const own = optimizer();
      const step = ng.jit((gradients: readonly ng.Tensor[]) => {
        own.apply(weights, [...gradients]);
        return (weights[0] as ng.Variable).value.slice(0);
      });
      return () => step(gradients);
    },
  };
}

export const layerOperations: Readonly<Record<string, Operation>> = {
  ...norms,
  ...windows,
  attention: { ...both(sequences, attend(false)), result: flat },
  causalAttention: {
    ...both([heads(1, 1024, 8, 64), heads(12, 64, 4, 32), heads(1, 2048, 4, 64)], attend(true)),
    result: flat,
  },
  lstm: {
    layer: (_, kernel = []) =>
      nn.lstm({ units: kernel[0] ?? 0, returnSequences: true, unitForgetBias: false }),
    sizes: recurrent(4),
    gradient: true,
  },
  gru: {
    layer: (_, kernel = []) => nn.gru({ units: kernel[0] ?? 0, returnSequences: true }),
    sizes: recurrent(3),
    gradient: true,
  },
  adam: steps(() => optim.adam(1e-3, { epsilon: 1e-8 })),
  sgdMomentum: steps(() => optim.sgd(0.1, { momentum: 0.9 })),
};
