/** Rematerialization: functions whose inner values are made again on the way back, instead of being kept. */
import { isDifferentiable, NagareError, type Tensor, unflatten } from "../core/index.ts";
import { type Graph, required, type Value } from "../ir/index.ts";
import { builder, type OpBuilder, type Primitive } from "../ops/index.ts";
import { bind, currentDynamicTrace, type Pullback } from "../trace/index.ts";
import { readCall, traceCall } from "./call.ts";
import { isLinearizing, linearizeAt } from "./linearize.ts";
import { vmap } from "./vmap.ts";
import { ZeroTangent } from "./zeros.ts";

type Rule = (o: OpBuilder, inputs: readonly Tensor[]) => readonly Tensor[];

/** Carries out the operations of a graph, one by one, on whatever these inputs are. */
function replay(graph: Graph, inputs: readonly Tensor[]): Tensor[] {
  const values = new Map<Value, Tensor>(graph.constants);
  graph.inputs.forEach((input, i) => {
    const given = inputs[i];
    if (given) values.set(input, given);
  });
  for (const node of graph.nodes) {
    const operands = node.inputs.map((input) => required(values, input));
    bind(node.op, operands, node.params).forEach((result, i) => {
      const output = node.outputs[i];
      if (output) values.set(output, result);
    });
  }
  return graph.outputs.map((output) => required(values, output));
}

/** Goes through the function once more, from its operands, and back. */
function remake(rule: Rule, { inputs, outputs, cotangents }: Pullback): (Tensor | null)[] {
  // In a graph the second time must not be taken for the first; what runs at once has let go of that.
  const apart = inputs.map((x) => (currentDynamicTrace() ? builder.barrier(x, {}) : x));
  const varying = apart.flatMap((x, i) => (isDifferentiable(x) ? [i] : []));
  const { backward } = linearizeAt(
    varying.flatMap((i) => apart[i] ?? []),
    (points) => {
      const operands = apart.map((x, i) => points[varying.indexOf(i)] ?? x);
      return { result: undefined, outputs: rule(builder, operands) };
    },
    () => undefined,
  );
  const given = outputs.map((output, i) => cotangents[i] ?? new ZeroTangent(output));
  const found = backward(given);
  return inputs.map((_, i) => found[varying.indexOf(i)] ?? null);
}

/** An operation, made for one call, that keeps nothing but its operands. */
function remade(rule: Rule, avals: Primitive["abstract"]): Primitive {
  return {
    name: "checkpoint",
    dtypes: [],
    inline: true,
    abstract: avals,
    decompose: rule,
    vjp: (_, pullback) => remake(rule, pullback),
    batch(_, inputs, mapped, size) {
      const example = vmap((...xs: Tensor[]) => [...rule(builder, xs)], {
        inAxes: mapped.map((isMapped) => (isMapped ? 0 : null)),
      });
      const unbatched = inputs.map((x, i) =>
        mapped[i] ? { dtype: x.dtype, shape: x.shape.slice(1) } : { dtype: x.dtype, shape: x.shape },
      );
      const batched = avals(unbatched, {}).map(({ dtype, shape }) => ({ dtype, shape: [size, ...shape] }));
      return bind(
        remade(
          (_, xs) => example(...xs),
          () => batched,
        ),
        inputs,
        {},
      );
    },
    samples: () => [],
  };
}

/**
 * The same function, of which reverse mode keeps the arguments only: what it computes on the way is computed again when the
 * gradient needs it. That is a second run of the function for the memory of all its inner values. Variables that it reads
 * are arguments, too; those that it assigns are assigned once.
 * @example
 * const block = ng.checkpoint((x) => layer.call(x));
 * ng.grad((x) => block(block(x)).sum())(x);
 */
export function checkpoint<A extends readonly unknown[], R>(f: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    if (!isLinearizing()) return f(...args);
    const call = readCall(args);
    const { graph, captured, states, assigned, result } = traceCall(
      f as (...args: never[]) => unknown,
      call,
      "checkpoint",
      { captures: true },
    );
    // What is assigned and never read has no value from before.
    const read = new Set([...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs]);
    const given = graph.inputs.length - states.length;
    const isRead = states.map((_, i) => read.has(graph.inputs[given + i] as Value));
    const inputs = graph.inputs.filter((_, i) => i < given || isRead[i - given]);
    const operands = [
      ...call.inputs,
      ...captured,
      ...states.flatMap((state, i) => (isRead[i] ? [state.value] : [])),
    ];
    const op = remade(
      (_, xs) => replay({ ...graph, inputs }, xs),
      () => graph.outputs.map(({ shape, dtype }) => ({ shape, dtype })),
    );
    const outputs = bind(op, operands, {});
    const first = outputs.length - assigned.length;
    assigned.forEach((variable, i) => {
      const value = outputs[first + i];
      if (!value) throw new NagareError(`checkpoint: ${variable.name} was assigned without a value.`);
      variable.assign(value);
    });
    return unflatten(result, outputs.slice(0, first)) as R;
  };
}
