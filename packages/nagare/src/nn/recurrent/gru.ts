/** Gated recurrent units (Cho et al. 2014). */
import { add, astype, matmul, mul, slice, split, sub, zeros } from "../../array/index.ts";
import type { DType, Tensor } from "../../core/index.ts";
import { builder } from "../../ops/index.ts";
import type { Initializer } from "../initializers.ts";
import { type CellOptions, RecurrentCell, type SequenceResult } from "./cell.ts";
import { Recurrent, type SequenceOptions } from "./recurrent.ts";

/** Options of a GRU cell. */
export interface GruCellOptions extends CellOptions {
  /** Whether the reset gate acts on the product of the state (as in cuDNN) and not on the state; default true. */
  readonly resetAfter?: boolean;
}

/** Options of a GRU layer. */
export type GruOptions = GruCellOptions & SequenceOptions;

/**
 * One GRU step: z = σ(x_z + p_z), r = σ(x_r + p_r), n = tanh(x_n + r·p_n), h' = z·h + (1 − z)·n, with x the input times
 * `kernel` and p the state times `recurrentKernel`, in the gates z, r, n. The bias [2, 3 · units] belongs to x and to p. Without
 * `resetAfter` p_n is (r·h) times its part of the kernel, and the bias [3 · units] belongs to x. The state is [h].
 * @example
 * const cell = new nn.GruCell({ units: 8 });
 * const [h] = cell.next(ng.ones([2, 4]), cell.zeroState(2)); // [2, 8]
 */
export class GruCell extends RecurrentCell {
  override readonly gates = 3;
  override readonly stateSize = 1;
  readonly resetAfter: boolean;

  constructor({ resetAfter = true, ...options }: GruCellOptions) {
    super(options);
    this.resetAfter = resetAfter;
  }

  protected override initialBias(make: Initializer, dtype: DType): Tensor {
    return make(this.resetAfter ? [2, 3 * this.units] : [3 * this.units], dtype);
  }

  override project(inputs: Tensor): Tensor {
    const product = matmul(inputs, this.kernelFor(inputs));
    if (!this.bias) return product;
    return add(product, this.resetAfter ? slice(this.bias, 0) : this.bias);
  }

  override step(projected: Tensor, [h]: readonly [Tensor]): Tensor[] {
    const { activation: squash, recurrentActivation: gate } = this;
    const { units } = this;
    const recurrent = this.builtRecurrentKernel();
    const [xz, xr, xn] = split(projected, 3, { axis: -1 }) as [Tensor, Tensor, Tensor];
    const mix = (z: Tensor, n: Tensor) => [add(n, mul(z, sub(h, n)))];
    if (this.resetAfter) {
      const product = matmul(h, recurrent);
      const biased = this.bias ? add(product, slice(this.bias, 1)) : product;
      const [pz, pr, pn] = split(biased, 3, { axis: -1 }) as [Tensor, Tensor, Tensor];
      return mix(gate(add(xz, pz)), squash(add(xn, mul(gate(add(xr, pr)), pn))));
    }
    const [pz, pr] = split(matmul(h, slice(recurrent, null, [0, 2 * units])), 2, { axis: -1 }) as [
      Tensor,
      Tensor,
    ];
    const pn = matmul(mul(gate(add(xr, pr)), h), slice(recurrent, null, [2 * units]));
    return mix(gate(add(xz, pz)), squash(add(xn, pn)));
  }

  override sequence(projected: Tensor, state: readonly [Tensor] | undefined): SequenceResult | undefined {
    if (!this.isStandard || !this.resetAfter) return undefined;
    const { dtype } = projected;
    const recurrent = astype(this.builtRecurrentKernel(), dtype);
    const bias = this.bias ? astype(slice(this.bias, 1), dtype) : zeros([3 * this.units], { dtype });
    const [hidden] = (
      state
        ? builder.gru([projected, recurrent, bias, astype(state[0], dtype)], {})
        : builder.gru([projected, recurrent, bias], {})
    ) as [Tensor];
    return { outputs: hidden, state: [slice(hidden, null, -1)] };
  }
}

/**
 * A GRU over sequences: [batch, time, inputs] → the last output [batch, units], or all of them [batch, time, units] with
 * `returnSequences`. The initial state may follow the input; it is zero without. The time is a number.
 * @example
 * nn.gru({ units: 32, returnSequences: true }).call(ng.ones([2, 5, 4])).shape; // [2, 5, 32]
 */
export class Gru extends Recurrent<GruCell> {
  readonly #options: GruOptions;

  constructor(options: GruOptions) {
    super(new GruCell(options), options);
    this.#options = options;
  }

  override reversed(): Gru {
    return new Gru({ ...this.#options, goBackwards: !this.goBackwards });
  }
}

/** A new `Gru` layer. */
export function gru(options: GruOptions): Gru {
  return new Gru(options);
}
