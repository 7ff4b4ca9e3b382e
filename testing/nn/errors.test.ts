import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";

const { nn, DTypeError, ShapeError, ValueError } = ng;

type Refusal = readonly [
  what: string,
  act: () => unknown,
  kind: new (...args: never[]) => Error,
  says: RegExp,
];

const int = (shape: number[]) => ng.zeros(shape, { dtype: "int32" });
const conv = (options: object) => () => nn.conv2d({ filters: 4, kernelSize: 3, ...options });
const anything = <T>(value: unknown) => value as T;

const options: readonly Refusal[] = [
  ["Dense of 0 units", () => nn.dense({ units: 0 }), ValueError, /Dense: units.*received 0/],
  ["Dense of 1.5 units", () => new nn.Dense(1.5), ValueError, /Dense: units.*received 1.5/],
  [
    "an unknown activation",
    () => nn.dense({ units: 1, activation: anything("rellu") }),
    ValueError,
    /relu.*received "rellu"/,
  ],
  [
    "an activation with the name of an object's method",
    () => nn.activation(anything("toString")),
    ValueError,
    /received "toString"/,
  ],
  [
    "an unknown initializer",
    () => nn.dense({ units: 1, kernelInitializer: anything("random") }),
    ValueError,
    /glorotUniform.*received "random"/,
  ],
  ["weights of integers", () => nn.dense({ units: 1, dtype: "int32" }), DTypeError, /Dense.*float.*int32/],
  [
    "weights of no dtype",
    () => nn.dense({ units: 1, dtype: anything("float") }),
    DTypeError,
    /float32.*received "float"/,
  ],
  ["Conv2d of 0 filters", conv({ filters: 0 }), ValueError, /Conv2d: filters/],
  ["a kernel of 0 cells", conv({ kernelSize: 0 }), ValueError, /Conv2d: kernelSize.*received 0/],
  [
    "a kernel of three sizes",
    conv({ kernelSize: [1, 2, 3] }),
    ValueError,
    /Conv2d: kernelSize.*received \[1,2,3\]/,
  ],
  ["strides of 0", conv({ strides: 0 }), ValueError, /Conv2d: strides/],
  ["dilation of -1", conv({ dilation: -1 }), ValueError, /Conv2d: dilation/],
  ["groups that do not divide the filters", conv({ groups: 3 }), ValueError, /multiple of groups.*4 and 3/],
  ["unknown padding", conv({ padding: "full" }), ValueError, /Conv2d.*"valid", "same".*received "full"/],
  ["negative padding", conv({ padding: [0, -1, 0, 0] }), ValueError, /\[0,-1,0,0\]/],
  [
    "a depth multiplier of 0",
    () => nn.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 0 }),
    ValueError,
    /DepthwiseConv2d: depthMultiplier/,
  ],
  [
    "DepthwiseConv2d of vectors",
    () => nn.depthwiseConv2d({ kernelSize: 3 }).call(ng.ones([2, 3])),
    ShapeError,
    /DepthwiseConv2d.*\[batch, height, width, channels\].*\[2, 3\]/,
  ],
  [
    "DepthwiseConv2d of other channels",
    rebuilt(nn.depthwiseConv2d({ kernelSize: 2 }), ng.ones([1, 4, 4, 3]), ng.ones([1, 4, 4, 2])),
    ShapeError,
    /DepthwiseConv2d.*height, width, 3\].*\[1, 4, 4, 2\]/,
  ],
  [
    "Conv2dTranspose of 0 filters",
    () => nn.conv2dTranspose({ filters: 0, kernelSize: 3 }),
    ValueError,
    /Conv2dTranspose: filters/,
  ],
  [
    "Conv2dTranspose of other channels",
    rebuilt(nn.conv2dTranspose({ filters: 1, kernelSize: 2 }), ng.ones([1, 4, 4, 3]), ng.ones([1, 4, 4, 2])),
    ShapeError,
    /Conv2dTranspose.*height, width, 3\].*\[1, 4, 4, 2\]/,
  ],
  [
    "conv2dTranspose of a kernel for other channels",
    () => ng.conv2dTranspose(ng.ones([1, 4, 4, 3]), ng.ones([2, 2, 3, 1])),
    ShapeError,
    /conv2dTranspose.*\[1, 4, 4, 3\].*\[2, 2, 3, 1\]/,
  ],
  ["a pool of 0 cells", () => nn.maxPooling2d({ poolSize: 0 }), ValueError, /MaxPool2d: poolSize/],
  ["pool strides of 0", () => nn.averagePooling2d({ strides: [1, 0] }), ValueError, /AvgPool2d: strides/],
  [
    "unknown pool padding",
    () => nn.averagePooling2d({ padding: anything("SAME") }),
    ValueError,
    /AvgPool2d.*"SAME"/,
  ],
  ["a dropout rate of 1", () => nn.dropout({ rate: 1 }), ValueError, /rate.*received 1/],
  ["a dropout rate of NaN", () => nn.dropout({ rate: Number.NaN }), ValueError, /rate.*received NaN/],
  ["an embedding of no numbers", () => nn.embedding({ inputDim: 0, outputDim: 2 }), ValueError, /inputDim/],
  ["an embedding of half rows", () => nn.embedding({ inputDim: 2, outputDim: 0.5 }), ValueError, /outputDim/],
  [
    "an embedding of integers",
    () => nn.embedding({ inputDim: 2, outputDim: 2, dtype: "int32" }),
    DTypeError,
    /Embedding.*float.*int32/,
  ],
  ["attention without heads", () => nn.multiHeadAttention({ heads: 0, units: 4 }), ValueError, /heads.*0/],
  ["attention without units", () => nn.multiHeadAttention({ heads: 1, units: 0 }), ValueError, /units.*0/],
  [
    "heads that do not divide the units",
    () => nn.multiHeadAttention({ heads: 3, units: 4 }),
    ValueError,
    /multiple of heads.*4 and 3.*keyDim/,
  ],
  [
    "self-attention with heads that do not divide the units",
    () => nn.selfAttention({ heads: 3, units: 4 }),
    ValueError,
    /SelfAttention.*4 and 3/,
  ],
  [
    "heads with empty values",
    () => nn.multiHeadAttention({ heads: 2, units: 4, valueDim: 0 }),
    ValueError,
    /valueDim.*0/,
  ],
  ["momentum above 1", () => nn.batchNormalization({ momentum: 1.1 }), ValueError, /momentum.*received 1.1/],
  ["negative epsilon", () => nn.batchNormalization({ epsilon: -1 }), ValueError, /epsilon.*received -1/],
  ["sequential of nothing", () => nn.sequential([]), ValueError, /at least one layer.*empty/],
  ["sequential of a layer", () => nn.sequential(anything(nn.flatten())), ValueError, /list of at least one/],
  [
    "sequential of a name",
    () => nn.sequential([nn.flatten(), anything("relu")]),
    ValueError,
    /relu at index 1.*activationLayer/,
  ],
];

/** A layer that was built for the first input and is then given the second. */
function rebuilt(layer: ng.nn.Module, first: ng.Tensor, second: ng.Tensor): () => unknown {
  return () => {
    layer.call(first);
    return layer.call(second);
  };
}

const inputs: readonly Refusal[] = [
  [
    "an array",
    () => nn.dense({ units: 1 }).call(anything([1, 2])),
    ValueError,
    /Dense.*expected tensors.*1,2/,
  ],
  ["a scalar to Dense", () => nn.dense({ units: 1 }).call(ng.tensor(1)), ShapeError, /Dense.*a scalar/],
  [
    "other features than Dense was built for",
    rebuilt(nn.dense({ units: 1 }), ng.ones([2, 3]), ng.ones([2, 4])),
    ShapeError,
    /Dense.*\[\.\.\., 3\].*float32\[2, 4\]/,
  ],
  [
    "a vector to Conv2d",
    () => conv({})().call(ng.ones([3])),
    ShapeError,
    /Conv2d.*\[batch, height, width, ch/,
  ],
  [
    "channels that no groups divide",
    () => conv({ groups: 2 })().call(ng.ones([1, 4, 4, 3])),
    ShapeError,
    /multiple of 2 groups.*\[1, 4, 4, 3\]/,
  ],
  [
    "other channels than Conv2d was built for",
    rebuilt(conv({})(), ng.ones([1, 4, 4, 3]), ng.ones([1, 4, 4, 1])),
    ShapeError,
    /\[batch, height, width, 3\].*\[1, 4, 4, 1\]/,
  ],
  ["an image smaller than the window", () => conv({})().call(ng.ones([1, 2, 2, 1])), ShapeError, /conv2d/],
  ["a vector to MaxPool2d", () => nn.maxPooling2d().call(ng.ones([3])), ShapeError, /MaxPool2d.*\[3\]/],
  ["a vector to AvgPool2d", () => nn.averagePooling2d().call(ng.ones([3])), ShapeError, /AvgPool2d/],
  [
    "a vector to GlobalAvgPool2d",
    () => nn.globalAveragePooling2d().call(ng.ones([3])),
    ShapeError,
    /GlobalAvg/,
  ],
  ["a scalar to Flatten", () => nn.flatten().call(ng.tensor(1)), ShapeError, /Flatten.*scalar/],
  ["no groups", () => nn.groupNormalization({ groups: 0 }), ValueError, /GroupNorm: groups.*received 0/],
  [
    "negative epsilon of groups",
    () => nn.groupNormalization({ epsilon: -1 }),
    ValueError,
    /epsilon.*received -1/,
  ],
  [
    "channels that are no multiple of the groups",
    () => nn.groupNormalization({ groups: 4 }).call(ng.ones([2, 3, 6])),
    ShapeError,
    /GroupNorm.*multiple of 4 groups.*\[2, 3, 6\]/,
  ],
  [
    "a vector to GroupNorm",
    () => nn.groupNormalization({ groups: 1 }).call(ng.ones([3])),
    ShapeError,
    /GroupNorm.*\[3\]/,
  ],
  [
    "integers to GroupNorm",
    () => nn.groupNormalization({ groups: 1 }).call(int([2, 3])),
    DTypeError,
    /GroupNorm.*astype/,
  ],
  [
    "other channels than GroupNorm was built for",
    rebuilt(nn.groupNormalization({ groups: 1 }), ng.ones([2, 3]), ng.ones([2, 1])),
    ShapeError,
    /GroupNorm.*3.*\[2, 1\]/,
  ],
  [
    "no groups of channels",
    () => ng.groupNorm(ng.ones([2, 3]), { groups: 0 }),
    ValueError,
    /groupNorm: groups/,
  ],
  [
    "channels of no whole groups",
    () => ng.groupNorm(ng.ones([2, 3]), { groups: 2 }),
    ShapeError,
    /groupNorm.*multiple of 2 groups/,
  ],
  [
    "a scale of another size",
    () => ng.groupNorm(ng.ones([2, 4]), { groups: 2, scale: ng.ones([2]) }),
    ShapeError,
    /groupNorm.*\[4\].*\[2\]/,
  ],
  [
    "negative epsilon of squares",
    () => nn.rmsNormalization({ epsilon: -1 }),
    ValueError,
    /RmsNorm.*received -1/,
  ],
  ["integers to RmsNorm", () => nn.rmsNormalization().call(int([2, 3])), DTypeError, /RmsNorm.*astype/],
  ["a scalar to RmsNorm", () => nn.rmsNormalization().call(ng.tensor(1)), ShapeError, /RmsNorm/],
  ["a scalar of squares", () => ng.rmsNorm(1), ShapeError, /rmsNorm.*last axis/],
  [
    "a scale of another size for squares",
    () => ng.rmsNorm(ng.ones([2, 4]), { scale: ng.ones([2]) }),
    ShapeError,
    /rmsNorm.*\[4\].*\[2\]/,
  ],
  ["a vector to BatchNorm", () => nn.batchNormalization().call(ng.ones([3])), ShapeError, /BatchNorm.*\[3\]/],
  ["integers to BatchNorm", () => nn.batchNormalization().call(int([2, 3])), DTypeError, /BatchNorm.*astype/],
  [
    "other channels than BatchNorm was built for",
    rebuilt(nn.batchNormalization(), ng.ones([2, 3]), ng.ones([2, 1])),
    ShapeError,
    /\[batch, …, 3\].*\[2, 1\]/,
  ],
  [
    "floats to Embedding",
    () => nn.embedding({ inputDim: 2, outputDim: 1 }).call(ng.ones([2])),
    DTypeError,
    /Embedding.*integers.*float32\[2\].*astype/,
  ],
  [
    "a number beyond Embedding's rows",
    () => nn.embedding({ inputDim: 2, outputDim: 1 }).call(ng.tensor([0, 2], { dtype: "int32" })),
    ValueError,
    /from 0 to 1.*received 2/,
  ],
  [
    "a matrix to MultiHeadAttention",
    () => nn.multiHeadAttention({ heads: 1, units: 2 }).call(ng.ones([2, 2])),
    ShapeError,
    /\[batch, time, width\].*float32\[2, 2\]/,
  ],
  [
    "a matrix to SelfAttention",
    () => nn.selfAttention({ heads: 1, units: 2 }).call(ng.ones([2, 2])),
    ShapeError,
    /SelfAttention.*\[batch, time, width\].*float32\[2, 2\]/,
  ],
  [
    "integers to Dropout in training",
    () => nn.dropout({ rate: 0.5 }).call(int([3]), { training: true }),
    DTypeError,
    /Dropout.*float/,
  ],
  [
    "forward before Dense is built",
    () => nn.dense({ units: 1 }).forward(ng.ones([2, 3])),
    ValueError,
    /layer\.call/,
  ],
  [
    "forward before Embedding is built",
    () => nn.embedding({ inputDim: 2, outputDim: 1 }).forward(int([2])),
    ValueError,
    /layer\.call/,
  ],
  [
    "forward before BatchNorm is built",
    () => nn.batchNormalization().forward(ng.ones([2, 3])),
    ValueError,
    /layer\.call/,
  ],
  [
    "an initializer of another shape",
    () => nn.dense({ units: 2, kernelInitializer: () => ng.zeros([2]) }).call(ng.ones([1, 3])),
    ShapeError,
    /float32\[3, 2\].*float32\[2\]/,
  ],
];

const labels = (values: number[]) => ng.tensor(values, { dtype: "int32" });
const { sparseCategoricalCrossentropy, categoricalCrossentropy, meanSquaredError } = nn.losses;

const losses: readonly Refusal[] = [
  [
    "float labels to the sparse cross-entropy",
    () => sparseCategoricalCrossentropy(ng.tensor([0.5]), ng.ones([1, 2])),
    DTypeError,
    /integer labels.*float32\[1\].*astype/,
  ],
  [
    "one-hot labels to the sparse cross-entropy",
    () => sparseCategoricalCrossentropy(int([1, 2]), ng.ones([1, 2])),
    ShapeError,
    /labels \[1, 2\] and predictions \[1, 2\]/,
  ],
  [
    "labels of another number",
    () => sparseCategoricalCrossentropy(labels([0, 1]), ng.ones([3, 2])),
    ShapeError,
    /\[2\].*\[3, 2\]/,
  ],
  [
    "integer labels to the cross-entropy",
    () => categoricalCrossentropy(int([1, 2]), ng.ones([1, 2])),
    DTypeError,
    /float labels/,
  ],
  [
    "labels that would broadcast",
    () => meanSquaredError(ng.ones([3]), ng.ones([3, 1])),
    ShapeError,
    /\[3\].*\[3, 1\].*reshape/,
  ],
];

for (const [subject, refusals] of Object.entries({ options, inputs, losses })) {
  describe(`bad ${subject} are refused`, () => {
    for (const [what, act, kind, says] of refusals) {
      test(what, () => {
        assert.throws(act, (error: Error) => {
          assert.equal(error.constructor, kind, `${error.name}: ${error.message}`);
          assert.match(error.message, says);
          assert.match(error.message, /received|must|exist/);
          return true;
        });
      });
    }
  });
}

test("a layer that refused its first input can be built for another", () => {
  const layer = conv({ groups: 2 })();
  assert.throws(() => layer.call(ng.ones([1, 4, 4, 3])), ShapeError);
  assert.deepEqual(layer.call(ng.ones([1, 4, 4, 2])).shape, [1, 2, 2, 4]);
});
