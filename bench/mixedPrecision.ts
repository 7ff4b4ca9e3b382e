/** How much faster bfloat16 trains than float32, where the engine multiplies tiles of it. */
import * as ng from "nagare";
import { currentBackend, type Variable, withValues } from "nagare/backend";
import { median } from "./harness/index.ts";
import { CharGpt, decoder, sequences } from "./workloads/chargptTrain.ts";

const { nn, optim } = ng;
const width = 512;
const steps = 7;

/** A training step with weights kept in float32 and, where `half` says so, everything up to the logits in bfloat16. */
function stepOf(half: boolean): () => void {
  const { x, labels } = sequences();
  const [inputs, targets] = [x, labels].map(({ data, shape }) => ng.tensor(data, { shape })) as [
    ng.Tensor,
    ng.Tensor,
  ];
  const model = new CharGpt(decoder(width));
  model.call(inputs);
  const weights = model.trainableVariables();
  const optimizer = optim.adamw(1e-3);
  const logits = (x: ng.Tensor): ng.Tensor => model.call(x, { training: true }).astype("float32");
  const narrowed = (x: ng.Tensor): ng.Tensor =>
    withValues(
      weights,
      weights.map((weight) => weight.value.astype("bfloat16")),
      () => logits(x),
    );
  const step = ng.jit((x: ng.Tensor, labels: ng.Tensor) => {
    const lossOf = (_: readonly Variable[]) =>
      nn.losses.sparseCategoricalCrossentropy(labels, half ? narrowed(x) : logits(x));
    const [loss, gradients] = ng.valueAndGrad(lossOf)(weights);
    optimizer.apply(weights, gradients);
    return loss;
  });
  return () => step(inputs, targets);
}

/** The ratio of both steps' medians, taken in turns. */
export function mixedPrecisionRatio(): number {
  const runs = [false, true].map((half) => ({ step: stepOf(half), times: [] as number[] }));
  for (const { step } of runs) step();
  for (let i = 0; i < steps; i += 1) {
    for (const { step, times } of runs) {
      const start = performance.now();
      step();
      times.push(performance.now() - start);
    }
  }
  const [full = Number.NaN, half = Number.NaN] = runs.map(({ times }) => median(times));
  return half / full;
}

/** The line below the table, given the engine's instruction set: Intel's AMX multiplies tiles of bfloat16. */
export function mixedPrecisionLine(instructionSet: string = currentBackend().instructionSet ?? ""): string {
  const what = `chargpt at width ${width}, bfloat16 ÷ float32`;
  return `${what}: ${instructionSet === "amx" ? mixedPrecisionRatio().toFixed(2) : "not available (the engine runs without AMX here)"}`;
}
