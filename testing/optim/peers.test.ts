import { describe, test } from "node:test";
import * as ng from "nagare";
import { assertNear } from "../generator/compare.ts";
import { fromPeer, madeBy, type PeerTensor, readPeer } from "../peers/peerValues.ts";
import { onEachBackend } from "../train/eachBackend.ts";

interface PeerOptimizer {
  readonly optimizer: "sgd" | "adam" | "adamw";
  readonly rate: number;
  readonly options: object;
  readonly start: PeerTensor;
  readonly gradients: readonly PeerTensor[];
  /** The variable after each step. */
  readonly path: readonly PeerTensor[];
}

const peers = readPeer<PeerOptimizer>("trainingOptimizers");

onEachBackend("peers", () => {
  describe(`ten steps equal those of ${madeBy(peers)}`, () => {
    for (const { optimizer, rate, options, start, gradients, path } of peers.cases) {
      for (const dtype of ["float32", "float64"] as const) {
        for (const compiled of [false, true]) {
          const how = compiled ? "compiled" : "eager";
          test(`${optimizer}(${rate}, ${JSON.stringify(options)}), ${dtype}, ${how}`, () => {
            const made = ng.optim[optimizer](rate, options);
            const weight = ng.variable(fromPeer(start, dtype));
            const apply = (gradient: ng.Tensor): ng.Tensor => {
              made.apply([weight], [gradient]);
              return weight.value;
            };
            const step = compiled ? ng.jit(apply) : apply;
            gradients.forEach((gradient, i) => {
              const expected = fromPeer(path[i] as PeerTensor, dtype);
              // The learning rate is a float32 in either case.
              const tolerance = dtype === "float32" ? 2e-6 : 1e-7;
              assertNear(step(fromPeer(gradient, dtype)), expected, tolerance, `step ${i + 1}`);
            });
          });
        }
      }
    }
  });
});
