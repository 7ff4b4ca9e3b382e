/** Mutable state. */
import {
  ConcreteTensor,
  type DType,
  DTypeError,
  formatShape,
  holderMark,
  type Shape,
  ShapeError,
  type Storage,
  sameShape,
  type Tensor,
  type TensorHolder,
  type TensorLike,
  TracerError,
} from "../core/index.ts";
import { asTensor } from "../ops/index.ts";
import { currentDynamicTrace, lowerTo, type StateCell } from "../trace/index.ts";

let variableCount = 0;
let boundCount = 0;

/** Whether some variable now reads as a value of a transform, as it does while its gradient is taken. */
export function variablesAreBound(): boolean {
  return boundCount > 0;
}

/**
 * A tensor that can be replaced. Under `jit`, reads become inputs of the graph and assignments outputs that are
 * written back in place, in program order; under `grad`, what is assigned is a value without a derivative.
 */
export class Variable<D extends DType = DType> implements TensorHolder, StateCell {
  readonly [holderMark] = true;
  readonly shape: Shape;
  readonly dtype: D;
  /** For printed graphs, checkpoints and messages. */
  name: string;
  /** Whether optimizers update it (default true). */
  trainable: boolean;
  #storage: Storage;
  /** The handle that reads give out, made when one is asked for. */
  #handle: ConcreteTensor | undefined;
  readonly #bound: Tensor[] = [];

  constructor(initial: ConcreteTensor, { name, trainable = true }: VariableOptions = {}) {
    this.shape = initial.shape;
    this.dtype = initial.dtype as D;
    this.name = name ?? `variable${variableCount++}`;
    this.trainable = trainable;
    this.#storage = initial.storage;
    this.#storage.shared = true;
  }

  /** The current value. */
  get value(): Tensor<D> {
    const bound = this.#bound.at(-1);
    if (bound) return bound as Tensor<D>;
    const trace = currentDynamicTrace();
    if (trace) return trace.readState(this) as Tensor<D>;
    this.#storage.shared = true;
    // A handle that was given away is of no use any more; the elements are, as nobody may write over shared ones.
    if (this.#handle?.storage !== this.#storage)
      this.#handle = new ConcreteTensor(this.shape, this.dtype, this.#storage);
    return this.#handle as unknown as Tensor<D>;
  }

  /**
   * Replaces the value. Throws ShapeError or DTypeError unless shape and dtype stay the same.
   * @example
   * const steps = ng.variable(ng.zeros([], { dtype: "int32" }));
   * steps.assign(steps.value.add(1));
   */
  assign(value: TensorLike): void {
    const next = asTensor(value, `assign to ${this.name}`, this.dtype);
    if (!sameShape(next.shape, this.shape)) {
      throw new ShapeError(
        `assign: ${this.name} has the shape ${formatShape(this.shape)}; received ${formatShape(next.shape)}. A variable's shape never changes.`,
      );
    }
    if (next.dtype !== this.dtype) {
      throw new DTypeError(
        `assign: ${this.name} is ${this.dtype}; received ${next.dtype}. Convert it with .astype("${this.dtype}").`,
      );
    }
    const trace = currentDynamicTrace();
    const kept = lowerTo(trace?.level ?? 0, next, `The variable ${this.name}`);
    if (this.#bound.length > 0) this.#bound[this.#bound.length - 1] = kept;
    if (trace) {
      trace.writeState(this, kept);
      return;
    }
    if (!(kept instanceof ConcreteTensor)) {
      throw new TracerError(
        `assign: ${this.name} cannot keep a value that exists only while a function is traced.`,
      );
    }
    kept.storage.shared = true;
    this.#storage = kept.storage;
  }

  /** Runs `body` while reads of this variable give `value`: how gradients with respect to variables are taken. */
  withValue<R>(value: Tensor, body: () => R): R {
    this.#bound.push(value);
    boundCount++;
    try {
      return body();
    } finally {
      this.#bound.pop();
      boundCount--;
    }
  }

  /** The storage of the current value, for programs that read it as state. */
  stateStorage(): Storage {
    return this.#storage;
  }

  /** Whether a program may write the next value over the current one. */
  get mayOverwrite(): boolean {
    return !this.#storage.shared;
  }

  /** Takes the storage into which a program wrote, or is writing, the next value. */
  adopt(storage: Storage): void {
    this.#storage = storage;
  }

  toString(): string {
    return `Variable(${this.name}: ${this.dtype}${formatShape(this.shape)})`;
  }
}

/** Options of a variable. */
export interface VariableOptions {
  /** Default: "variable" and a number. */
  readonly name?: string;
  /** Whether optimizers update it; default true. */
  readonly trainable?: boolean;
}

/**
 * A new variable with an initial value.
 * @example
 * const w = ng.variable(ng.zeros([3]), { name: "w" });
 * w.assign(w.value.add(1));
 */
export function variable<D extends DType>(
  initial: Tensor<D> | TensorLike,
  options?: VariableOptions,
): Variable<D> {
  const given = asTensor(initial, "variable");
  const tensor = currentDynamicTrace() ? given : lowerTo(0, given, "A variable");
  if (!(tensor instanceof ConcreteTensor)) {
    throw new TracerError(
      "variable: variables cannot be created while jit traces, because they outlive the call. Create them before it.",
    );
  }
  return new Variable<D>(tensor, options);
}

/** Runs `body` while each variable reads as the value given for it. */
export function withValues<R>(variables: readonly Variable[], values: readonly Tensor[], body: () => R): R {
  const run = (index: number): R => {
    const cell = variables[index];
    const value = values[index];
    return cell && value ? cell.withValue(value, () => run(index + 1)) : body();
  };
  return run(0);
}
