/** Long short-term memory (Hochreiter & Schmidhuber 1997). */
import { add, astype, concat, matmul, mul, ones, slice, split } from "../../array/index.ts";
import type { DType, Tensor } from "../../core/index.ts";
import { builder } from "../../ops/index.ts";
import type { Initializer } from "../initializers.ts";
import { type CellOptions, RecurrentCell, type SequenceResult } from "./cell.ts";
import { Recurrent, type SequenceOptions } from "./recurrent.ts";

/** Options of an LSTM cell. */
export interface LstmCellOptions extends CellOptions {
  /** Whether the bias of the forget gate begins at 1, so that memory is kept at first (Jozefowicz et al. 2015); default true. */
  readonly unitForgetBias?: boolean;
}

/** Options of an LSTM layer. */
export type LstmOptions = LstmCellOptions & SequenceOptions;

/**
 * One LSTM step: with a = x·kernel + h·recurrentKernel + bias in the gates i, f, g, o,
 * c' = σ(a_f)·c + σ(a_i)·tanh(a_g), h' = σ(a_o)·tanh(c'). The state is [h, c].
 * @example
 * const cell = new nn.LstmCell({ units: 8 });
 * const [h, c] = cell.next(ng.ones([2, 4]), cell.zeroState(2)); // [2, 8] each
 */
export class LstmCell extends RecurrentCell {
  override readonly gates = 4;
  override readonly stateSize = 2;
  readonly #unitForgetBias: boolean;

  constructor({ unitForgetBias = true, ...options }: LstmCellOptions) {
    super(options);
    this.#unitForgetBias = unitForgetBias;
  }

  protected override initialBias(make: Initializer, dtype: DType): Tensor {
    const { units } = this;
    if (!this.#unitForgetBias) return make([4 * units], dtype);
    return concat([make([units], dtype), ones([units], { dtype }), make([2 * units], dtype)]);
  }

  override project(inputs: Tensor): Tensor {
    const product = matmul(inputs, this.kernelFor(inputs));
    return this.bias ? add(product, this.bias) : product;
  }

  override step(projected: Tensor, [h, c]: readonly [Tensor, Tensor]): Tensor[] {
    const sums = add(projected, matmul(h, this.builtRecurrentKernel()));
    const [i, f, g, o] = split(sums, 4, { axis: -1 }) as [Tensor, Tensor, Tensor, Tensor];
    const { activation: squash, recurrentActivation: gate } = this;
    const next = add(mul(gate(f), c), mul(gate(i), squash(g)));
    return [mul(gate(o), squash(next)), next];
  }

  override sequence(
    projected: Tensor,
    state: readonly [Tensor, Tensor] | undefined,
  ): SequenceResult | undefined {
    if (!this.isStandard) return undefined;
    const recurrent = astype(this.builtRecurrentKernel(), projected.dtype);
    const [hidden, cells] = (
      state
        ? builder.lstm(
            [projected, recurrent, astype(state[0], projected.dtype), astype(state[1], projected.dtype)],
            {},
          )
        : builder.lstm([projected, recurrent], {})
    ) as [Tensor, Tensor];
    return { outputs: hidden, state: [slice(hidden, null, -1), slice(cells, null, -1)] };
  }
}

/**
 * An LSTM over sequences: [batch, time, inputs] → the last output [batch, units], or all of them [batch, time, units] with
 * `returnSequences`. The initial state [h, c] may follow the input; it is zero without. The time is a number.
 * @example
 * nn.sequential([nn.embedding({ inputDim: 65, outputDim: 16 }), nn.lstm({ units: 32 }), nn.dense({ units: 65 })]);
 */
export class Lstm extends Recurrent<LstmCell> {
  readonly #options: LstmOptions;

  constructor(options: LstmOptions) {
    super(new LstmCell(options), options);
    this.#options = options;
  }

  override reversed(): Lstm {
    return new Lstm({ ...this.#options, goBackwards: !this.goBackwards });
  }
}

/** A new `Lstm` layer. */
export function lstm(options: LstmOptions): Lstm {
  return new Lstm(options);
}
