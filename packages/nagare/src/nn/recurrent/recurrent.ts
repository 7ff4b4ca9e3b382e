/** Layers that carry a state over sequences. */
import { flip, slice, stack } from "../../array/index.ts";
import { formatAval, ShapeError, type Tensor } from "../../core/index.ts";
import { Module } from "../module.ts";
import type { RecurrentCell, SequenceResult } from "./cell.ts";

/** Options of recurrent layers beside those of their cells. */
export interface SequenceOptions {
  /** Whether the outputs of all steps are returned and not the last alone; default false. */
  readonly returnSequences?: boolean;
  /** Whether the sequence is read from its end; the outputs then come in that order. Default false. */
  readonly goBackwards?: boolean;
}

/** A layer that takes its cell through the steps of a sequence [batch, time, inputs]. */
export abstract class Recurrent<C extends RecurrentCell = RecurrentCell> extends Module {
  readonly cell: C;
  readonly returnSequences: boolean;
  readonly goBackwards: boolean;

  constructor(cell: C, { returnSequences = false, goBackwards = false }: SequenceOptions) {
    super();
    this.cell = cell;
    this.returnSequences = returnSequences;
    this.goBackwards = goBackwards;
  }

  /** A new layer with these options that reads in the other direction. */
  abstract reversed(): Recurrent;

  override build(x: Tensor): void {
    this.#checkSequence(x);
    this.cell.ensureBuilt([x]);
  }

  override forward(x: Tensor, ...state: readonly Tensor[]): Tensor {
    const { outputs, state: last } = this.run(x, state.length > 0 ? state : undefined);
    return this.returnSequences ? outputs : (last[0] ?? outputs);
  }

  /**
   * The outputs of all steps and the state after the last one, from the given state or zeros.
   * @example
   * const { outputs, state } = layer.run(x);
   * layer.run(more, state); // goes on where x ended
   */
  run(x: Tensor, state?: readonly Tensor[]): SequenceResult {
    this.#checkSequence(x);
    this.ensureBuilt([x]);
    if (state) this.cell.checkState(state, x.shape[0] ?? 1);
    const projected = this.cell.project(this.goBackwards ? flip(x, 1) : x);
    return this.cell.sequence(projected, state) ?? this.#unrolled(projected, state);
  }

  #unrolled(projected: Tensor, state: readonly Tensor[] | undefined): SequenceResult {
    let current = state ?? this.cell.zeroState(projected.shape[0] ?? 1);
    const outputs: Tensor[] = [];
    for (let t = 0; t < Number(projected.shape[1]); t++) {
      current = this.cell.step(slice(projected, null, t), current);
      outputs.push(...current.slice(0, 1));
    }
    return { outputs: stack(outputs, { axis: 1 }), state: current };
  }

  #checkSequence(x: Tensor): void {
    const [, time] = x.shape;
    if (x.rank === 3 && typeof time === "number" && time >= 1) return;
    throw new ShapeError(
      `${this.constructor.name}: expected a sequence [batch, time, inputs] whose time is a number from 1 up; received ${formatAval(x)}.`,
    );
  }
}
