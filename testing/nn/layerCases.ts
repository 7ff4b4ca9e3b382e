/** Every layer, with options that matter, as the generated tests use it. */
import * as ng from "nagare";

const { nn } = ng;

/** A layer to be checked. */
export interface LayerCase {
  readonly label: string;
  /** A new layer. Weights are float64 where they are asked for, so that gradients can be compared with differences. */
  readonly make: (dtype: "float32" | "float64") => ng.nn.Module;
  /** Shape of the input without the batch axis. */
  readonly input: readonly number[];
  /** Shape of the output without the batch axis. */
  readonly output: readonly number[];
  /** Paths and shapes of the variables, those that are not trained marked by a *. */
  readonly variables?: Readonly<Record<string, readonly number[]>>;
  /** The input is int32 numbers below this. */
  readonly below?: number;
  /** Whether the output differs while training. */
  readonly trainsDifferently?: boolean;
}

const image = [6, 5, 4] as const;

export const layerCases: readonly LayerCase[] = [
  {
    label: "Dense",
    make: (dtype) => new nn.Dense(3, { dtype, biasInitializer: "heNormal" }),
    input: [4],
    output: [3],
    variables: { kernel: [4, 3], bias: [3] },
  },
  {
    label: "Dense without bias, over more axes",
    make: (dtype) => nn.dense({ units: 2, useBias: false, activation: "tanh", dtype }),
    input: [3, 4],
    output: [3, 2],
    variables: { kernel: [4, 2] },
  },
  {
    label: "Embedding",
    make: (dtype) => nn.embedding({ inputDim: 5, outputDim: 3, dtype }),
    input: [4],
    below: 5,
    output: [4, 3],
    variables: { embeddings: [5, 3] },
  },
  {
    label: "MultiHeadAttention",
    make: (dtype) => nn.multiHeadAttention({ heads: 2, units: 4, dtype, biasInitializer: "heNormal" }),
    input: [5, 4],
    output: [5, 4],
    variables: {
      "query.kernel": [4, 4],
      "query.bias": [4],
      "key.kernel": [4, 4],
      "key.bias": [4],
      "value.kernel": [4, 4],
      "value.bias": [4],
      "output.kernel": [4, 4],
      "output.bias": [4],
    },
  },
  {
    label: "MultiHeadAttention, causal, with heads of their own sizes",
    make: (dtype) =>
      nn.multiHeadAttention({
        heads: 3,
        keyDim: 2,
        valueDim: 1,
        units: 5,
        causal: true,
        useBias: false,
        dtype,
      }),
    input: [3, 4],
    output: [3, 5],
    variables: {
      "query.kernel": [4, 6],
      "key.kernel": [4, 6],
      "value.kernel": [4, 3],
      "output.kernel": [3, 5],
    },
  },
  {
    label: "SelfAttention",
    make: (dtype) =>
      nn.selfAttention({ heads: 2, keyDim: 3, units: 4, causal: true, dtype, biasInitializer: "heNormal" }),
    input: [5, 4],
    output: [5, 4],
    variables: {
      "projection.kernel": [4, 18],
      "projection.bias": [18],
      "output.kernel": [6, 4],
      "output.bias": [4],
    },
  },
  {
    label: "Lstm, all steps",
    make: (dtype) => nn.lstm({ units: 3, returnSequences: true, dtype }),
    input: [4, 2],
    output: [4, 3],
    variables: { "cell.kernel": [2, 12], "cell.recurrentKernel": [3, 12], "cell.bias": [12] },
  },
  {
    label: "Gru, last step, backwards",
    make: (dtype) => nn.gru({ units: 3, goBackwards: true, dtype }),
    input: [4, 2],
    output: [3],
    variables: { "cell.kernel": [2, 9], "cell.recurrentKernel": [3, 9], "cell.bias": [2, 9] },
  },
  {
    label: "Bidirectional, averaged",
    make: (dtype) =>
      nn.bidirectional({ layer: nn.gru({ units: 2, useBias: false, dtype }), mergeMode: "ave" }),
    input: [3, 2],
    output: [2],
    variables: {
      "forwards.cell.kernel": [2, 6],
      "forwards.cell.recurrentKernel": [2, 6],
      "backwards.cell.kernel": [2, 6],
      "backwards.cell.recurrentKernel": [2, 6],
    },
  },
  {
    label: "LstmCell with other activations",
    make: (dtype) => new nn.LstmCell({ units: 3, activation: "linear", recurrentActivation: "tanh", dtype }),
    input: [2],
    output: [3],
    variables: { kernel: [2, 12], recurrentKernel: [3, 12], bias: [12] },
  },
  {
    label: "GruCell, reset before",
    make: (dtype) => new nn.GruCell({ units: 3, resetAfter: false, dtype }),
    input: [2],
    output: [3],
    variables: { kernel: [2, 9], recurrentKernel: [3, 9], bias: [9] },
  },
  {
    label: "Conv2d",
    make: (dtype) => nn.conv2d({ filters: 3, kernelSize: 3, dtype, biasInitializer: "heNormal" }),
    input: image,
    output: [4, 3, 3],
    variables: { kernel: [3, 3, 4, 3], bias: [3] },
  },
  {
    label: "Conv2d with same padding and strides",
    make: (dtype) =>
      nn.conv2d({ filters: 2, kernelSize: [3, 2], strides: [2, 1], padding: "same", useBias: false, dtype }),
    input: image,
    output: [3, 5, 2],
    variables: { kernel: [3, 2, 4, 2] },
  },
  {
    label: "Conv2d with groups, dilation and padding in cells",
    make: (dtype) =>
      nn.conv2d({
        filters: 4,
        kernelSize: 2,
        dilation: 2,
        groups: 2,
        padding: [1, 0, 2, 1],
        activation: "gelu",
        kernelInitializer: "heUniform",
        dtype,
      }),
    input: image,
    output: [5, 6, 4],
    variables: { kernel: [2, 2, 2, 4], bias: [4] },
  },
  {
    label: "DepthwiseConv2d with a multiplier, strides and dilation",
    make: (dtype) =>
      nn.depthwiseConv2d({
        kernelSize: [3, 2],
        depthMultiplier: 2,
        strides: [2, 1],
        dilation: [1, 2],
        dtype,
      }),
    input: image,
    output: [2, 3, 8],
    variables: { kernel: [3, 2, 4, 2], bias: [8] },
  },
  {
    label: "Conv2dTranspose with same padding and strides",
    make: (dtype) =>
      nn.conv2dTranspose({
        filters: 3,
        kernelSize: 3,
        strides: [2, 1],
        padding: "same",
        activation: "tanh",
        dtype,
      }),
    input: image,
    output: [12, 5, 3],
    variables: { kernel: [3, 3, 3, 4], bias: [3] },
  },
  {
    label: "MaxPool2d",
    make: () => nn.maxPooling2d(),
    input: image,
    output: [3, 2, 4],
  },
  {
    label: "MaxPool2d with overlapping windows and same padding",
    make: () => nn.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" }),
    input: image,
    output: [3, 3, 4],
  },
  {
    label: "AvgPool2d",
    make: () => nn.averagePooling2d({ poolSize: [2, 3], strides: 1, padding: "same" }),
    input: image,
    output: [6, 5, 4],
  },
  { label: "GlobalAvgPool2d", make: () => nn.globalAveragePooling2d(), input: image, output: [4] },
  { label: "Flatten", make: () => nn.flatten(), input: image, output: [120] },
  {
    label: "Dropout",
    make: () => nn.dropout({ rate: 0.3 }),
    input: [40],
    output: [40],
    trainsDifferently: true,
  },
  {
    label: "BatchNorm",
    make: () => nn.batchNormalization({ momentum: 0.9 }),
    input: [3, 4],
    output: [3, 4],
    variables: { gamma: [4], beta: [4], "movingMean*": [4], "movingVariance*": [4] },
    trainsDifferently: true,
  },
  {
    label: "BatchNorm without center and scale",
    make: () => nn.batchNormalization({ center: false, scale: false }),
    input: [4],
    output: [4],
    variables: { "movingMean*": [4], "movingVariance*": [4] },
    trainsDifferently: true,
  },
  {
    label: "LayerNorm",
    make: (dtype) => nn.layerNormalization({ dtype }),
    input: [3, 4],
    output: [3, 4],
    variables: { gamma: [4], beta: [4] },
  },
  {
    label: "LayerNorm without center and scale",
    make: () => nn.layerNormalization({ center: false, scale: false, epsilon: 1e-5 }),
    input: [4],
    output: [4],
  },
  {
    label: "GroupNorm",
    make: (dtype) => nn.groupNormalization({ groups: 2, dtype }),
    input: image,
    output: [...image],
    variables: { gamma: [image.at(-1) ?? 0], beta: [image.at(-1) ?? 0] },
  },
  {
    label: "GroupNorm without center and scale",
    make: () => nn.groupNormalization({ groups: 4, center: false, scale: false, epsilon: 1e-5 }),
    input: [3, 4],
    output: [3, 4],
  },
  {
    label: "RmsNorm",
    make: (dtype) => nn.rmsNormalization({ dtype }),
    input: [3, 4],
    output: [3, 4],
    variables: { gamma: [4] },
  },
  {
    label: "RmsNorm without scale",
    make: () => nn.rmsNormalization({ scale: false, epsilon: 1e-5 }),
    input: [4],
    output: [4],
  },
  ...nn.activationNames.map((name) => ({
    label: `ActivationLayer of ${name}`,
    make: () => nn.activationLayer(name),
    input: [5],
    output: [5],
  })),
  {
    label: "Sequential",
    make: (dtype) =>
      nn.sequential([
        nn.conv2d({ filters: 3, kernelSize: 2, dtype }),
        nn.batchNormalization(),
        nn.activationLayer("silu"),
        nn.dropout({ rate: 0.2 }),
        nn.flatten(),
        nn.dense({ units: 2, dtype }),
      ]),
    input: image,
    output: [2],
    variables: {
      "layers.0.kernel": [2, 2, 4, 3],
      "layers.0.bias": [3],
      "layers.1.gamma": [3],
      "layers.1.beta": [3],
      "layers.1.movingMean*": [3],
      "layers.1.movingVariance*": [3],
      "layers.5.kernel": [60, 2],
      "layers.5.bias": [2],
    },
    trainsDifferently: true,
  },
];
