import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import type { Tensor } from "nagare/backend";
import { assertNear } from "../generator/compare.ts";
import { fromPeer, madeBy, type PeerTensor, readPeer } from "../peers/peerValues.ts";
import { onEachBackend } from "../train/eachBackend.ts";

const { nn } = ng;

type Named = Readonly<Record<string, PeerTensor>>;

interface PeerLayer {
  readonly layer:
    | "dense"
    | "conv2d"
    | "depthwiseConv2d"
    | "conv2dTranspose"
    | "maxPooling2d"
    | "averagePooling2d"
    | "globalAveragePooling2d"
    | "batchNormalization"
    | "layerNormalization"
    | "groupNormalization"
    | "rmsNormalization";
  readonly options: object;
  readonly x: PeerTensor;
  readonly y: PeerTensor;
  readonly ct: PeerTensor;
  readonly dx: PeerTensor;
  readonly weights: Named;
  readonly gradients: Named;
  /** Of batch normalization: the batch before x, what both left, and the output for the first when inferring. */
  readonly first?: PeerTensor;
  readonly statistics?: Named;
  readonly inferred?: PeerTensor;
}

interface PeerLoss {
  readonly loss: "sparseCategoricalCrossentropy" | "categoricalCrossentropy" | "meanSquaredError";
  readonly options: object;
  readonly labels: PeerTensor;
  readonly predictions: PeerTensor;
  readonly value: number;
  readonly gradient: PeerTensor;
}

const layers = readPeer<PeerLayer>("trainingLayers");
const losses = readPeer<PeerLoss>("trainingLosses");

/** Sums of some dozen float32 products. */
const tolerance = 2e-6;

function near(actual: Tensor, expected: PeerTensor, label: string): void {
  assertNear(actual, fromPeer(expected, actual.dtype), tolerance, label);
}

function checkLayer(example: PeerLayer): void {
  const make = nn[example.layer] as (options: object) => ng.nn.Module;
  const module = make(example.options);
  const x = fromPeer(example.x, "float32");
  module.call(x);
  const variables = new Map(module.namedVariables().map(({ path, variable }) => [path, variable]));
  for (const [name, value] of Object.entries(example.weights))
    variables.get(name)?.assign(fromPeer(value, "float32"));
  const first = example.first && fromPeer(example.first, "float32");
  if (first) module.call(first, { training: true });

  const ct = fromPeer(example.ct, "float32");
  const loss = (input: Tensor, _weights: readonly ng.Variable[]): [Tensor, Tensor] => {
    const y = module.call(input, { training: true });
    return [y.mul(ct).sum(), y];
  };
  const trained = module.trainableVariables();
  const [[, y], [dx, gradients]] = ng.valueAndGrad(loss, { argnums: [0, 1], hasAux: true })(
    x,
    trained,
  ) as unknown as [[Tensor, Tensor], [Tensor, Tensor[]]];
  near(y, example.y, "output");
  near(dx, example.dx, "gradient by the input");
  assert.equal(trained.length, Object.keys(example.gradients).length);
  for (const [name, gradient] of Object.entries(example.gradients)) {
    const index = trained.indexOf(variables.get(name) as ng.Variable);
    near(gradients[index] as Tensor, gradient, `gradient by ${name}`);
  }
  for (const [name, value] of Object.entries(example.statistics ?? {}))
    near(variables.get(name)?.value as Tensor, value, name);
  if (first && example.inferred) near(module.call(first), example.inferred, "inference");
}

onEachBackend("peers", () => {
  describe(`layers equal those of ${madeBy(layers)}`, () => {
    for (const example of layers.cases) {
      test(`${example.layer} ${JSON.stringify(example.options)}`, () => checkLayer(example));
    }
  });

  describe(`losses equal those of ${madeBy(losses)}`, () => {
    for (const { loss, options, ...example } of losses.cases) {
      test(`${loss} ${JSON.stringify(options)}`, () => {
        const sparse = loss === "sparseCategoricalCrossentropy";
        const labels = fromPeer(example.labels, sparse ? "int32" : "float32");
        const compute = (predictions: Tensor) => nn.losses[loss](labels, predictions, options);
        const [value, gradient] = ng.valueAndGrad(compute)(fromPeer(example.predictions, "float32"));
        assert.ok(Math.abs(Number(value.item()) - example.value) <= 1e-6 * (1 + Math.abs(example.value)));
        near(gradient, example.gradient, "gradient");
      });
    }
  });
});
