/** One step of a recurrent layer. */
import { zeros } from "../../array/index.ts";
import {
  checkCount,
  type Dim,
  type DType,
  formatAval,
  formatDim,
  ShapeError,
  type Tensor,
  ValueError,
} from "../../core/index.ts";
import { type Variable, variable } from "../../runtime/index.ts";
import { type Activation, type ActivationName, activation } from "../activations.ts";
import { type Initializer, type InitializerName, initializer } from "../initializers.ts";
import { Module } from "../module.ts";
import { weightDType } from "../weightDType.ts";

/** Options of recurrent cells and of the layers made of them. */
export interface CellOptions {
  /** The size of the output and of each part of the state. */
  readonly units: number;
  /** Of the candidate values; default "tanh". */
  readonly activation?: ActivationName | Activation;
  /** Of the gates; default "sigmoid". */
  readonly recurrentActivation?: ActivationName | Activation;
  /** Whether there are biases; default true. */
  readonly useBias?: boolean;
  /** Default "glorotUniform". */
  readonly kernelInitializer?: InitializerName | Initializer;
  /** Default "orthogonal". */
  readonly recurrentInitializer?: InitializerName | Initializer;
  /** Default "zeros". */
  readonly biasInitializer?: InitializerName | Initializer;
  /** The dtype of the weights, a float; default "float32". */
  readonly dtype?: DType;
}

/** What a sequence leaves: the outputs of all steps, [batch, time, units], and the state after the last. */
export interface SequenceResult {
  readonly outputs: Tensor;
  readonly state: readonly Tensor[];
}

/**
 * One step of a recurrent layer: input [batch, inputs] and state, tensors [batch, units] of which the first is the output,
 * give the next state. `kernel` [inputs, gates · units], `recurrentKernel` [units, gates · units]; the gates stand side by
 * side. Called with an input and a state (without one, zeros), a cell returns its output; `next` returns the whole state.
 */
export abstract class RecurrentCell extends Module {
  readonly units: number;
  readonly activation: Activation;
  readonly recurrentActivation: Activation;
  kernel: Variable | undefined;
  recurrentKernel: Variable | undefined;
  bias: Variable | undefined;
  /** How many gates the kernels hold. */
  abstract readonly gates: number;
  /** How many tensors the state has. */
  abstract readonly stateSize: number;
  /** Whether the activations are the defaults, for which there are kernels over whole sequences. */
  protected readonly isStandard: boolean;
  protected readonly makeBias: Initializer | undefined;
  readonly #makeKernel: Initializer;
  readonly #makeRecurrent: Initializer;
  readonly #dtype: DType;

  constructor(options: CellOptions) {
    super();
    const where = this.constructor.name;
    const { kernelInitializer = "glorotUniform", recurrentInitializer = "orthogonal" } = options;
    const { useBias = true, biasInitializer = "zeros" } = options;
    const { activation: candidate = "tanh", recurrentActivation = "sigmoid" } = options;
    this.units = checkCount(options.units, 1, `${where}: units`);
    this.activation = activation(candidate);
    this.recurrentActivation = activation(recurrentActivation);
    this.isStandard = candidate === "tanh" && recurrentActivation === "sigmoid";
    this.#makeKernel = initializer(kernelInitializer);
    this.#makeRecurrent = initializer(recurrentInitializer);
    this.makeBias = useBias ? initializer(biasInitializer) : undefined;
    this.#dtype = weightDType(options.dtype, where);
  }

  /** The first value of the biases. */
  protected abstract initialBias(make: Initializer, dtype: DType): Tensor;

  /** What the inputs add to the gates of each step: [..., inputs] → [..., gates · units]. */
  abstract project(inputs: Tensor): Tensor;

  /** The next state, given what the step's input adds to the gates, [batch, gates · units]. */
  abstract step(projected: Tensor, state: readonly Tensor[]): Tensor[];

  /** All steps at once where a kernel does it; `projected` is [batch, time, gates · units]. */
  abstract sequence(projected: Tensor, state: readonly Tensor[] | undefined): SequenceResult | undefined;

  override build(x: Tensor): void {
    const inputs = x.shape.at(-1);
    if (typeof inputs !== "number") {
      throw new ShapeError(
        `${this.constructor.name}: expected an input [..., inputs] whose last axis is a number; received ${formatAval(x)}.`,
      );
    }
    const columns = this.gates * this.units;
    this.kernel = variable(this.#makeKernel([inputs, columns], this.#dtype), { name: "kernel" });
    const recurrent = this.#makeRecurrent([this.units, columns], this.#dtype);
    this.recurrentKernel = variable(recurrent, { name: "recurrentKernel" });
    if (this.makeBias) {
      this.bias = variable(this.initialBias(this.makeBias, this.#dtype), { name: "bias" });
    }
  }

  override forward(x: Tensor, ...state: readonly Tensor[]): Tensor {
    const [output] = this.#advance(x, state.length > 0 ? state : this.zeroState(x.shape[0] ?? 1));
    return output;
  }

  /**
   * The state after one more step; its first tensor is the output.
   * @example
   * let state = cell.zeroState(8);
   * for (const x of steps) state = cell.next(x, state);
   */
  next(x: Tensor, state: readonly Tensor[]): Tensor[] {
    this.ensureBuilt([x]);
    return this.#advance(x, state);
  }

  #advance(x: Tensor, state: readonly Tensor[]): [Tensor, ...Tensor[]] {
    if (x.rank !== 2) {
      throw new ShapeError(
        `${this.constructor.name}: expected an input [batch, inputs] of one step; received ${formatAval(x)}.`,
      );
    }
    this.checkState(state, x.shape[0] ?? 1);
    return this.step(this.project(x), state) as [Tensor, ...Tensor[]];
  }

  /** The state before the first step: zeros. */
  zeroState(batch: Dim): Tensor[] {
    return Array.from({ length: this.stateSize }, () => zeros([batch, this.units], { dtype: this.#dtype }));
  }

  /** Throws ShapeError unless the state has this cell's tensors for `batch` sequences. */
  checkState(state: readonly Tensor[], batch: Dim): void {
    const fits = (part: Tensor) => part.rank === 2 && part.shape[0] === batch && part.shape[1] === this.units;
    if (state.length === this.stateSize && state.every(fits)) return;
    throw new ShapeError(
      `${this.constructor.name}: expected a state of ${this.stateSize} tensors [${formatDim(batch)}, ${this.units}]; received ` +
        `${state.map(formatAval).join(", ") || "none"}. Start with cell.zeroState(batch).`,
    );
  }

  /** The kernel of the inputs. Throws ValueError before the cell is built, ShapeError for an input of another width. */
  protected kernelFor(inputs: Tensor): Variable {
    const kernel = this.#built(this.kernel);
    if (inputs.shape.at(-1) === kernel.shape[0]) return kernel;
    throw new ShapeError(
      `${this.constructor.name}: expected an input [..., ${String(kernel.shape[0])}], as the layer was built for; received ${formatAval(inputs)}.`,
    );
  }

  /** The recurrent kernel. Throws ValueError before the cell is built. */
  protected builtRecurrentKernel(): Variable {
    return this.#built(this.recurrentKernel);
  }

  #built(weights: Variable | undefined): Variable {
    if (weights) return weights;
    throw new ValueError(
      `${this.constructor.name}: the weights do not exist yet. Use call(x), which builds the layer, in place of forward(x).`,
    );
  }
}
