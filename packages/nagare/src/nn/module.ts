/** Modules: objects that hold variables and other modules, and compute. */
import {
  type Aval,
  formatAval,
  isHolder,
  ShapeError,
  sameShape,
  sizeOf,
  Tensor,
  type TreeNode,
  treeChildren,
  ValueError,
} from "../core/index.ts";
import { Variable } from "../runtime/index.ts";
import { withoutDynamicTrace } from "../trace/index.ts";

/** How a module is being used. */
export interface CallOptions {
  /** Whether dropout drops and batch normalization uses (and records) the batch's statistics. Default: inherited from the calling module, false at the top. */
  readonly training?: boolean;
}

let training = false;

/** Whether the modules now computing are being trained. */
export function isTraining(): boolean {
  return training;
}

/** A variable and where it hangs in a module: "0.kernel", "encoder.layers.2.bias". */
export interface NamedVariable {
  readonly path: string;
  readonly variable: Variable;
}

function isModuleLike(value: unknown): value is Module {
  return value instanceof Module;
}

function isContainer(value: unknown): value is readonly unknown[] | Record<string, unknown> {
  if (Array.isArray(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether anything that belongs to a module's state hangs below `value`. */
function holdsState(value: unknown): boolean {
  if (isHolder(value) || isModuleLike(value)) return true;
  return isContainer(value) && Object.values(value).some(holdsState);
}

/**
 * A building block of models. Subclasses keep variables and other modules in public fields (also in arrays and
 * records; private `#fields` cannot be found) and define `forward`. Variables that depend on the input's shape are made
 * in `build`.
 * @example
 * class Net extends nn.Module {
 *   hidden = new nn.Dense(128, { activation: "relu" });
 *   forward(x: ng.Tensor) { return this.hidden.call(x); }
 * }
 */
export abstract class Module implements TreeNode {
  #builtFor: readonly Aval[] | undefined;

  /** Computes the output. Called through `call`, which builds the module first. */
  abstract forward(...inputs: readonly Tensor[]): Tensor;

  /** Makes the variables whose shapes depend on the inputs' shapes. Runs once, before the first forward. */
  build(..._inputs: readonly Tensor[]): void {}

  /**
   * Applies the module to one input, and builds it first where that has not been done.
   * @example
   * layer.call(x, { training: true }); // as `fit` calls it: dropout drops
   */
  call(input: Tensor, options: CallOptions = {}): Tensor {
    return this.callAll([input], options);
  }

  /** Applies the module to several inputs. */
  callAll(inputs: readonly Tensor[], options: CallOptions = {}): Tensor {
    const stranger = inputs.findIndex((input) => !(input instanceof Tensor));
    if (stranger >= 0) {
      throw new ValueError(
        `${this.constructor.name}: expected tensors; received ${String(inputs[stranger])} as input ${stranger}. ` +
          "Make one with ng.tensor.",
      );
    }
    this.ensureBuilt(inputs);
    const outer = training;
    training = options.training ?? outer;
    try {
      return this.forward(...inputs);
    } finally {
      training = outer;
    }
  }

  /** Whether the variables exist. */
  get built(): boolean {
    return this.#builtFor !== undefined;
  }

  /** Shapes and dtypes of the inputs it was built for; undefined before. */
  get builtFor(): readonly Aval[] | undefined {
    return this.#builtFor;
  }

  /** Builds the module for inputs of these shapes, unless it is built already. Variables are made even while a function is traced. */
  ensureBuilt(inputs: readonly Tensor[]): void {
    if (this.#builtFor) return;
    withoutDynamicTrace(() => this.build(...inputs));
    this.#builtFor = inputs.map(({ shape, dtype }) => ({ shape, dtype }));
  }

  /** The fields that hold variables or modules: what makes a module a tree. */
  [treeChildren](): Readonly<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(this).filter(([, value]) => holdsState(value)));
  }

  /**
   * Every variable with its path, in the order of the fields. A variable held twice is listed once.
   * Throws ValueError when two variables would have one path.
   */
  namedVariables(): NamedVariable[] {
    const found = new Map<Variable, string>();
    const visit = (value: unknown, path: string): void => {
      if (value instanceof Variable) {
        if (!found.has(value)) found.set(value, path);
        return;
      }
      const children = isModuleLike(value) ? value[treeChildren]() : isContainer(value) ? value : {};
      for (const [key, child] of Object.entries(children)) visit(child, path ? `${path}.${key}` : key);
    };
    visit(this, "");
    const named = [...found].map(([variable, path]) => ({ path, variable }));
    const paths = new Set<string>();
    for (const { path } of named) {
      if (paths.has(path)) {
        throw new ValueError(
          `${this.constructor.name}: expected a path of its own for every variable; received ${path} twice. ` +
            "Rename a key that holds a dot.",
        );
      }
      paths.add(path);
    }
    return named;
  }

  /** Every variable. */
  variables(): Variable[] {
    return this.namedVariables().map(({ variable }) => variable);
  }

  /** The variables that optimizers update. */
  trainableVariables(): Variable[] {
    return this.variables().filter((variable) => variable.trainable);
  }

  /** The number of elements in all trainable variables. */
  countParameters(): number {
    return this.trainableVariables().reduce((sum, variable) => sum + Number(sizeOf(variable.shape)), 0);
  }

  /**
   * The values of all variables by path, as they are now: later training does not change them.
   * @example
   * other.loadStateDict(model.stateDict());
   */
  stateDict(): Map<string, Tensor> {
    return new Map(this.namedVariables().map(({ path, variable }) => [path, variable.value]));
  }

  /**
   * Replaces the values of all variables. Throws ValueError when a path is missing or unknown, ShapeError when a value
   * has another shape or dtype; nothing is replaced then.
   */
  loadStateDict(state: ReadonlyMap<string, Tensor>): void {
    const named = this.namedVariables();
    const known = new Set(named.map(({ path }) => path));
    const unknown = [...state.keys()].filter((path) => !known.has(path));
    const missing = named.filter(({ path }) => !state.has(path)).map(({ path }) => path);
    if (unknown.length > 0 || missing.length > 0) {
      throw new ValueError(
        `loadStateDict: expected exactly the variables of this module (build it first, by calling it once); ` +
          `missing: ${missing.join(", ") || "none"}; unknown: ${unknown.join(", ") || "none"}.`,
      );
    }
    for (const { path, variable } of named) {
      const value = state.get(path);
      if (value && (!sameShape(value.shape, variable.shape) || value.dtype !== variable.dtype)) {
        throw new ShapeError(
          `loadStateDict: ${path} is ${formatAval(variable)}; received ${formatAval(value)}.`,
        );
      }
    }
    for (const { path, variable } of named) {
      const value = state.get(path);
      if (value) variable.assign(value);
    }
  }
}
