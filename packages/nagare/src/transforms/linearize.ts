/**
 * Linearization and transposition, which together are reverse mode (Frostig et al. 2021, "Decomposing reverse-mode
 * automatic differentiation"). `f` runs once under forward mode with tangents that are only recorded; what the rules
 * do to tangents is linear, so the record can be run forward again, or backward with each step transposed.
 */
import { type Aval, formatAval, NagareError, type Tensor, UnsupportedError } from "../core/index.ts";
import { builder, linearOperands, type Params, type Primitive } from "../ops/index.ts";
import { bind, Trace, Tracer, withTrace } from "../trace/index.ts";
import { pullComposition } from "./compositions.ts";
import { JvpTrace, JvpTracer, pushDecomposition, type RecordFused } from "./jvp.ts";
import { materialize, ZeroTangent } from "./zeros.ts";

/** One recorded operation on tangents. Operands that are not tangents are known tensors. */
interface LinearStep {
  readonly op: Primitive;
  readonly inputs: readonly Tensor[];
  readonly params: Params;
  readonly outputs: readonly LinearTracer[];
  /** Of a fused operation with a reverse rule of its own: its operands and results, which the rule is given. */
  readonly fused?: { readonly primals: readonly Tensor[]; readonly results: readonly Tensor[] };
}

/** A tangent that is not a number yet: an input of the record, or a result of one of its steps. */
class LinearTracer extends Tracer {
  readonly index: number;

  constructor(trace: LinearTrace, aval: Aval, index: number) {
    super(trace, aval);
    this.index = index;
  }
}

class LinearTrace extends Trace {
  readonly transform = "grad";
  readonly steps: LinearStep[] = [];
  #count = 0;

  tangent(aval: Aval): LinearTracer {
    return new LinearTracer(this, aval, this.#count++);
  }

  get count(): number {
    return this.#count;
  }

  process<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor[] {
    const outputs = op.abstract(inputs, params).map((aval) => this.tangent(aval));
    this.steps.push({ op: op as unknown as Primitive, inputs, params, outputs });
    return outputs;
  }

  /** One step from the tangents of a fused operation's operands to those of its results. */
  recordFused: RecordFused = (op, primals, inputs, params, results) => {
    const outputs = results.map((result) => this.tangent(result));
    this.steps.push({ op, inputs, params, outputs, fused: { primals, results } });
    return outputs;
  };

  owns(x: Tensor): x is LinearTracer {
    return x instanceof LinearTracer && x.trace === this;
  }
}

/** A linear map from input tangents to output tangents, recorded while the primal function ran. */
export interface Linearized<T> {
  readonly result: T;
  readonly outputs: readonly Tensor[];
  /** Tangents of the outputs for tangents of the inputs. */
  forward(tangents: readonly Tensor[]): Tensor[];
  /** Cotangents of the inputs for cotangents of the outputs; inputs without influence get symbolic zeros. */
  backward(cotangents: readonly Tensor[]): Tensor[];
}

let linearizing = 0;

/** Whether a function runs now whose derivative will be taken in reverse. */
export function isLinearizing(): boolean {
  return linearizing > 0;
}

function whileLinearizing<R>(body: () => R): R {
  linearizing += 1;
  try {
    return body();
  } finally {
    linearizing -= 1;
  }
}

/**
 * Runs `f` at `points`. `f` gives any result and, beside it, the tensors whose derivative is wanted.
 */
export function linearizeAt<T>(
  points: readonly Tensor[],
  f: (inputs: Tensor[]) => { result: T; outputs: readonly Tensor[] },
  lowerResult: (lower: (x: Tensor) => Tensor, result: T) => T,
): Linearized<T> {
  return withTrace(
    (level) => new LinearTrace(level),
    (linear) => {
      const tangents = points.map((point) => linear.tangent(point));
      const run = whileLinearizing(() =>
        withTrace(
          (level) => new JvpTrace(level, "grad", linear.recordFused),
          (trace) => {
            const inputs = points.map(
              (point, i) => new JvpTracer(trace, point, tangents[i] ?? new ZeroTangent(point)),
            );
            const { result, outputs } = f(inputs);
            return {
              result: lowerResult((x) => trace.primalOf(x), result),
              primals: outputs.map((output) => trace.primalOf(output)),
              rates: outputs.map((output) => trace.tangentOf(output)),
            };
          },
        ),
      );
      return {
        result: run.result,
        outputs: run.primals,
        forward: (given) => runForward(linear, tangents, run.rates, given),
        backward: (given) => runBackward(linear, tangents, run.rates, given),
      };
    },
  );
}

function runForward(
  linear: LinearTrace,
  inputs: readonly LinearTracer[],
  rates: readonly Tensor[],
  tangents: readonly Tensor[],
): Tensor[] {
  const values = new Array<Tensor | undefined>(linear.count);
  inputs.forEach((input, i) => {
    values[input.index] = tangents[i];
  });
  const value = (x: Tensor): Tensor => {
    if (!linear.owns(x)) return x;
    const known = values[x.index];
    if (!known) throw new NagareError("linearize: a tangent is read before it is made.");
    return known;
  };
  for (const step of linear.steps) {
    const given = step.inputs.map(value);
    const outputs = step.fused
      ? pushDecomposition(step.op, step.fused.primals, given, step.params)
      : bind(step.op, given, step.params);
    step.outputs.forEach((output, i) => {
      values[output.index] = outputs[i];
    });
  }
  return rates.map((rate) => materialize(value(rate)));
}

function runBackward(
  linear: LinearTrace,
  inputs: readonly LinearTracer[],
  rates: readonly Tensor[],
  cotangents: readonly Tensor[],
): Tensor[] {
  const gathered = new Array<Tensor | undefined>(linear.count);
  const add = (x: Tensor, cotangent: Tensor): void => {
    if (!linear.owns(x) || cotangent instanceof ZeroTangent) return;
    const sum = gathered[x.index];
    gathered[x.index] = sum ? builder.add(sum, cotangent) : cotangent;
  };
  rates.forEach((rate, i) => {
    const cotangent = cotangents[i];
    if (cotangent) add(rate, cotangent);
  });
  for (let i = linear.steps.length - 1; i >= 0; i--) {
    const step = linear.steps[i];
    if (!step) continue;
    const outer = step.outputs.map((output) => gathered[output.index]);
    if (outer.every((cotangent) => cotangent === undefined)) continue;
    const pull = step.fused ? pullFused : transposeStep;
    pull(linear, step, outer, add);
    // A cotangent is complete when its step is reached; letting go of it here keeps memory at the live set.
    for (const output of step.outputs) gathered[output.index] = undefined;
  }
  return inputs.map((input) => gathered[input.index] ?? new ZeroTangent(input));
}

function transposeStep(
  linear: LinearTrace,
  step: LinearStep,
  outer: readonly (Tensor | undefined)[],
  add: (x: Tensor, cotangent: Tensor) => void,
): void {
  const { op, inputs, params } = step;
  const operands = linearOperands(op, inputs.length);
  const cotangents = step.outputs.map((output, k) => outer[k] ?? materialize(new ZeroTangent(output)));
  const known = inputs.map((input) => (linear.owns(input) ? undefined : input));
  inputs.forEach((input, index) => {
    if (!linear.owns(input)) return;
    if (!op.transpose || !operands.includes(index)) {
      throw new UnsupportedError(
        `grad: ${op.name} (${inputs.map(formatAval).join(", ")}) is not linear in operand ${index}, so that its jvp rule ` +
          `must not apply it to a tangent. This is a mistake in the rule of the operation that used it.`,
      );
    }
    add(input, op.transpose(builder, cotangents, index, known, params, input, inputs));
  });
}

/** Linearizes what gives nothing but tensors. */
function linearizeOutputs(
  points: readonly Tensor[],
  f: (points: Tensor[]) => readonly Tensor[],
): Linearized<void> {
  return linearizeAt<void>(
    points,
    (inputs) => ({ result: undefined, outputs: f(inputs) }),
    () => undefined,
  );
}

/** The reverse rule of a fused operation or, where that is not meant for these cotangents, the way back through its decomposition. */
function pullFused(
  linear: LinearTrace,
  { op, inputs, params, outputs, fused }: LinearStep,
  outer: readonly (Tensor | undefined)[],
  add: (x: Tensor, cotangent: Tensor) => void,
): void {
  if (!fused) throw new NagareError(`grad: ${op.name} was recorded without its operands.`);
  const wanted = inputs.map((input) => linear.owns(input));
  const pullback = { inputs: fused.primals, outputs: fused.results, cotangents: outer, wanted };
  const cotangents = op.compiled
    ? pullComposition(op, fused.primals, all().map(materialize), params, wanted, linearizeOutputs)
    : (op.vjp?.(builder, pullback, params) ?? pullDecomposition());
  inputs.forEach((input, i) => {
    const cotangent = cotangents[i];
    if (cotangent) add(input, cotangent);
  });

  function all(): Tensor[] {
    return outputs.map((output, k) => outer[k] ?? new ZeroTangent(output));
  }
  function pullDecomposition(): readonly Tensor[] {
    const parts = (operands: Tensor[]) => op.decompose?.(builder, operands, params) ?? [];
    return linearizeOutputs(fused?.primals ?? [], parts).backward(all());
  }
}
