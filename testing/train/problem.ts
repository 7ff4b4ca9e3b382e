/** Small problems that networks learn at once. */
import * as ng from "nagare";

const { nn, optim } = ng;

/** Points [count, 2] and the quadrant's parity as their class. */
export function points(count: number, seed = 0): readonly [ng.Tensor, ng.Tensor] {
  const x = ng.random.uniform(ng.random.key(seed), [count, 2], { low: -1, high: 1 });
  const product = ng.prod(x, { axis: 1 });
  return [x, product.greater(0).astype("int32")];
}

/** A network for two classes, compiled with Adam, the cross-entropy and accuracy. */
export function classifier(layers: readonly ng.nn.Module[] = [], seed = 1): ng.nn.Sequential {
  ng.random.seed(seed);
  const model = nn.sequential([
    nn.dense({ units: 8, activation: "tanh" }),
    ...layers,
    nn.dense({ units: 2 }),
  ]);
  model.compile({
    optimizer: optim.adam(0.02),
    loss: "sparseCategoricalCrossentropy",
    metrics: ["accuracy"],
  });
  return model;
}

/** All weights as one text: equal for equal bits. */
export function weightsOf(model: ng.nn.Module): string {
  const bits = ([path, value]: [string, ng.Tensor]) =>
    `${path}:${Buffer.from((value.dataSync() as Float32Array).buffer).toString("base64")}`;
  return [...model.stateDict()].map(bits).join("\n");
}
