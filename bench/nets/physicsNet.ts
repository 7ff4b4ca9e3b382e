import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [points, width, viscosity] = [1024, 64, 0.01 / Math.PI];

/** How far u(t, x) is from Burgers' equation u_t + u u_x = ν u_xx at each point (Raissi et al. 2019). */
class PhysicsNet extends nn.Module {
  readonly u = nn.sequential([
    ...Array.from({ length: 3 }, () => nn.dense({ units: width, activation: "tanh" })),
    nn.dense({ units: 1 }),
  ]);

  override forward(x: ng.Tensor): ng.Tensor {
    const slopes = (at: ng.Tensor) => ng.grad((at: ng.Tensor) => this.u.call(at).sum())(at);
    const column = (of: ng.Tensor, i: number) => ng.slice(of, null, [i, i + 1]);
    const first = slopes(x);
    const second = ng.grad((at: ng.Tensor) => column(slopes(at), 1).sum())(x);
    return column(first, 0)
      .add(this.u.call(x).mul(column(first, 1)))
      .sub(column(second, 1).mul(viscosity));
  }
}

/** Training of a net whose loss holds its second derivatives. */
export const physicsNet: Work = {
  name: "pinn_train_b1024",
  about: `training step of a net of 3 × ${width} tanh units for Burgers' equation at ${points} points with Adam`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  parameters: { viscosity },
  inputs: () => ({
    x: uniform([points, 2], 850, -1, 1),
    labels: uniform([points, 1], 851, -0.1, 0.1),
    ...initialKernels(
      [
        [2, width],
        [width, width],
        [width, width],
        [width, 1],
      ],
      852,
    ),
  }),
  prepare: (inputs) => trainStep(new PhysicsNet(), inputs, undefined, nn.losses.meanSquaredError),
};
