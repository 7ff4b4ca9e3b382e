/** Staging: a function run once on abstract values becomes a graph. */
import {
  type Aval,
  ConcreteTensor,
  type DType,
  NagareError,
  type Tensor,
  TracerError,
  UnsupportedError,
} from "../core/index.ts";
import { type Alias, type Graph, GraphBuilder, Value } from "../ir/index.ts";
import { builder, type Params, type Primitive } from "../ops/index.ts";
import { Variable } from "../runtime/index.ts";
import { DynamicTrace, type StateCell, Tracer, withTrace } from "../trace/index.ts";

/** A value of the graph under construction. */
class GraphTracer<D extends DType = DType> extends Tracer<D> {
  readonly node: Value;

  constructor(trace: GraphTrace, value: Value) {
    super(trace, value as Aval<D>);
    this.node = value;
  }
}

interface CellState {
  readonly input: Value;
  current: Tensor;
  assigned: boolean;
}

/** Records every operation, and which state is read and written. */
class GraphTrace extends DynamicTrace {
  readonly transform = "jit";
  readonly builder = new GraphBuilder();
  readonly cells = new Map<Variable, CellState>();
  /** Values of transforms around this trace, and the inputs that stand for them; undefined where they are mistakes. */
  readonly captured: Map<Tensor, Value> | undefined;

  constructor(level: number, { captures = false }: TraceOptions = {}) {
    super(level);
    this.captured = captures ? new Map() : undefined;
  }

  process<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor[] {
    if (op.inline && op.decompose) return [...op.decompose(builder, inputs, params)];
    const values = inputs.map((input) => this.nodeValue(input));
    return this.builder
      .add(op as unknown as Primitive, values, params)
      .map((value) => new GraphTracer(this, value));
  }

  argument(aval: Aval): Tensor {
    return new GraphTracer(this, this.builder.input(aval));
  }

  nodeValue(x: Tensor): Value {
    if (x instanceof GraphTracer && x.trace === this) return x.node;
    if (x instanceof ConcreteTensor) return this.builder.constant(x);
    if (this.captured && x instanceof Tracer && x.trace.open && x.trace.level < this.level) {
      const known = this.captured.get(x) ?? new Value(x);
      this.captured.set(x, known);
      return known;
    }
    throw new TracerError(
      `jit: a value that ${x instanceof Tracer ? x.trace.transform : "another transform"} traces was used inside a function that is traced on its own. Pass it as an argument.`,
    );
  }

  readState(cell: StateCell): Tensor {
    return this.#state(cell).current;
  }

  writeState(cell: StateCell, value: Tensor): void {
    const state = this.#state(cell);
    state.current = value;
    state.assigned = true;
  }

  #state(cell: StateCell): CellState {
    if (!(cell instanceof Variable)) throw new UnsupportedError(`jit: ${cell.name} is not a variable.`);
    let state = this.cells.get(cell);
    if (!state) {
      const input = new Value(cell);
      state = { input, current: new GraphTracer(this, input), assigned: false };
      this.cells.set(cell, state);
    }
    return state;
  }
}

/** Options of `traceGraph`. */
export interface TraceOptions {
  /** Values of surrounding transforms that the function closes over become inputs, behind its arguments. Default: an error. */
  readonly captures?: boolean;
}

/** A traced function: the graph, and the state that its last inputs read and its last outputs write. */
export interface Traced<T> {
  readonly graph: Graph;
  /** What the inputs behind the arguments stand for. */
  readonly captured: readonly Tensor[];
  readonly states: readonly Variable[];
  readonly assigned: readonly Variable[];
  /** What the function returned beside the tensors. */
  readonly result: T;
}

/**
 * Runs `f` on abstract arguments. `f` returns the output tensors and anything else the caller wants back.
 */
export function traceGraph<T>(
  avals: readonly Aval[],
  f: (inputs: Tensor[]) => { outputs: readonly Tensor[]; result: T },
  options: TraceOptions = {},
): Traced<T> {
  return withTrace(
    (level) => new GraphTrace(level, options),
    (trace) => {
      const { outputs, result } = f(avals.map((aval) => trace.argument(aval)));
      const states = [...trace.cells.keys()];
      const assigned = states.filter((state) => trace.cells.get(state)?.assigned);
      const cell = (state: Variable): CellState => {
        const found = trace.cells.get(state);
        if (!found) throw new NagareError("jit: lost a variable while tracing.");
        return found;
      };
      const results = [...outputs, ...assigned.map((state) => cell(state).current)].map((x) =>
        trace.nodeValue(x),
      );
      const captured = [...(trace.captured ?? [])];
      const firstState = avals.length + captured.length;
      const aliases: Alias[] = assigned.map((state, i) => ({
        output: outputs.length + i,
        input: firstState + states.indexOf(state),
      }));
      trace.builder.inputs.push(...captured.map(([, value]) => value));
      trace.builder.inputs.push(...states.map((state) => cell(state).input));
      const graph = trace.builder.finish(results, aliases);
      return { graph, captured: captured.map(([x]) => x), states, assigned, result };
    },
  );
}
