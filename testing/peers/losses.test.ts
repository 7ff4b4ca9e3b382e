import { describe, test } from "node:test";
import type { Tensor } from "nagare";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { fromPeer, madeBy, type PeerTensor, readPeer } from "./peerValues.ts";

interface LossCase {
  readonly name: string;
  readonly logits: PeerTensor;
  readonly labels: readonly number[];
  readonly ct: PeerTensor;
  readonly y: PeerTensor;
  readonly dx: PeerTensor;
}

const losses = readPeer<LossCase>("losses");

function functionOf({ name, labels }: LossCase): (logits: Tensor) => Tensor {
  const classes = ng.tensor([...labels], { dtype: "int32" });
  switch (name) {
    case "softmax":
      return (x) => ng.softmax(x);
    case "logSoftmax":
      return (x) => ng.logSoftmax(x);
    case "logSumExp":
      return (x) => ng.logSumExp(x, { axis: -1 });
    case "crossEntropy":
      return (x) => ng.nn.losses.sparseCategoricalCrossentropy(classes, x);
    default:
      throw new RangeError(`There is no test for ${name}.`);
  }
}

for (const backend of testedBackends) {
  describe(`losses on ${backend}`, () => {
    losses.cases.forEach((example, i) => {
      test(`${example.name} and its gradient equal ${madeBy(losses)}, ${i < 4 ? "ordinary" : "extreme"} logits`, () => {
        onBackend(backend, () => {
          const f = functionOf(example);
          for (const dtype of ["float32", "float64"] as const) {
            const [y, pullback] = ng.vjp(f, fromPeer(example.logits, dtype));
            const [dx] = pullback(fromPeer(example.ct, dtype));
            // Beside large logits the peer's own x − logSumExp(x) has their rounding error.
            const tolerance = { kind: "relative", roundings: i < 4 ? 16 : 256 } as const;
            assertClose(y, fromPeer(example.y, dtype), tolerance, `${example.name}, ${dtype}`);
            assertClose(
              dx as Tensor,
              fromPeer(example.dx, dtype),
              tolerance,
              `gradient of ${example.name}, ${dtype}`,
            );
          }
        });
      });
    });
  });
}
