/** Views: how the elements of one value lie in the memory of another, dense one. */
import { concreteShape, rowMajorStrides } from "../core/index.ts";
import type { Graph, Node, Value } from "./graph.ts";

/** Element [i₀, i₁, …] is element `offset` + Σ iₖ·strides[k] of a dense value. */
export interface View {
  readonly shape: readonly number[];
  readonly offset: number;
  readonly strides: readonly number[];
}

/** A value as it lies in its own memory. */
export function denseView({ shape }: Value): View {
  const sizes = concreteShape(shape);
  return { shape: sizes, offset: 0, strides: rowMajorStrides(sizes) };
}

type Movement = (view: View, node: Node, shape: readonly number[]) => View | undefined;

const movements: { readonly [name: string]: Movement } = {
  reshape: (view, _, shape) => reshapeView(view, shape),
  transpose: ({ shape, offset, strides }, { params }) => {
    const permutation = params.permutation as readonly number[];
    const permuted = (values: readonly number[]) => permutation.map((axis) => values[axis] ?? 0);
    return { shape: permuted(shape), offset, strides: permuted(strides) };
  },
  broadcastTo: (view, _, shape) => ({ shape, offset: view.offset, strides: broadcastStrides(view, shape) }),
  slice: ({ offset, strides }, { params }, shape) => {
    const { starts, strides: steps } = params as { starts: readonly number[]; strides: readonly number[] };
    return {
      shape,
      offset: strides.reduce((sum, stride, axis) => sum + stride * (starts[axis] ?? 0), offset),
      strides: strides.map((stride, axis) => stride * (steps[axis] ?? 1)),
    };
  },
  flip: ({ shape, offset, strides }, { params }) => {
    const axes = params.axes as readonly number[];
    return {
      shape,
      offset: axes.reduce((sum, axis) => sum + (strides[axis] ?? 0) * ((shape[axis] ?? 1) - 1), offset),
      strides: strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride)),
    };
  },
};

/** Whether an operation only looks at its operand's elements in another order, or several times. */
export function isMovement(node: Node): boolean {
  return node.op.name in movements;
}

/**
 * The result of a movement whose operand is this view, as a view of the same memory; undefined where no strides say it, as
 * for most reshapes of transposed values.
 */
export function viewThrough(node: Node, operand: View): View | undefined {
  const shape = concreteShape(node.outputs[0]?.shape ?? []);
  // Nothing is read from an empty value, wherever it lies.
  if (shape.includes(0)) return { shape, offset: 0, strides: shape.map(() => 0) };
  return movements[node.op.name]?.(operand, node, shape);
}

/** Whether an operation makes random bits from one key, so that any of them follow from their places alone. */
export function isDraw({ op, inputs }: Node): boolean {
  return op.name === "randomBits" && inputs[0]?.shape.length === 1;
}

/** What a node reads: an operand, and how the elements it uses lie in it. */
export interface Reading {
  readonly value: Value;
  readonly view: View;
  /** The elements are not the operand's own, but the random bits that it is the key of. */
  readonly drawn?: boolean;
}

/** What the values of a node's body stand for that are operands, random bits of operands, or movements of either. */
export function bodyReadings(node: Node, body: Graph): Map<Value, Reading> {
  const readings = new Map<Value, Reading>();
  body.inputs.forEach((input, i) => {
    const value = node.inputs[i];
    if (value) readings.set(input, { value, view: denseView(value) });
  });
  for (const part of body.nodes) {
    const [input] = part.inputs;
    const [output] = part.outputs;
    const source = input && readings.get(input);
    if (!source || !output) continue;
    if (isDraw(part)) readings.set(output, { value: source.value, view: denseView(output), drawn: true });
    const view = isMovement(part) ? viewThrough(part, source.view) : undefined;
    if (view) readings.set(output, { ...source, view });
  }
  return readings;
}

/** The strides with which a (broadcast) operand is read along the dimensions of a result. */
export function broadcastStrides({ shape, strides }: View, result: readonly number[]): number[] {
  const added = result.length - shape.length;
  return result.map((_, axis) =>
    axis < added || shape[axis - added] === 1 ? 0 : (strides[axis - added] ?? 0),
  );
}

/** Whether these strides step over the elements of a shape in their order. */
export function areDense(strides: readonly number[], shape: readonly number[]): boolean {
  const dense = rowMajorStrides(shape);
  return shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]);
}

/** Axes as few as can be: those of size 1 left out, neighbours over which one stride goes on joined. */
function joinedAxes({ shape, strides }: View): { size: number; readonly stride: number }[] {
  const axes: { size: number; readonly stride: number }[] = [];
  shape.forEach((size, axis) => {
    const stride = strides[axis] ?? 0;
    const last = axes.at(-1);
    if (size === 1) return;
    if (last && last.stride === stride * size) axes[axes.length - 1] = { size: last.size * size, stride };
    else axes.push({ size, stride });
  });
  return axes;
}

/** Each axis of the new shape must divide what is left of one joined axis, from the last one on. */
function reshapeView(view: View, shape: readonly number[]): View | undefined {
  const axes = joinedAxes(view);
  const strides = new Array<number>(shape.length).fill(0);
  let axis = axes.pop();
  let taken = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] ?? 1;
    if (size === 1) continue;
    if (!axis || axis.size % (taken * size) !== 0) return undefined;
    strides[i] = axis.stride * taken;
    taken *= size;
    if (taken === axis.size) [axis, taken] = [axes.pop(), 1];
  }
  return { shape, offset: view.offset, strides };
}

/** The strides of the leading axes as few loops: what is left after joining those that go on in one another. */
export function loopsOf(view: View, leading: number): number {
  const axes = { shape: view.shape.slice(0, leading), offset: 0, strides: view.strides.slice(0, leading) };
  return joinedAxes(axes).length;
}

/** A matrix in memory: rows of neighbours, `distance` elements apart, or those of its transpose. */
export interface MatrixStorage {
  readonly transposed: boolean;
  readonly distance: number;
}

/** How the last two axes lie in memory as a matrix; undefined where neither is contiguous, or rows lie on one another. */
export function matrixStorage({ shape, strides }: View): MatrixStorage | undefined {
  const [rows = 1, columns = 1] = shape.slice(-2);
  const [down = 0, across = 0] = strides.slice(-2);
  const storage =
    across === 1 || columns === 1
      ? { transposed: false, distance: rows === 1 ? columns : down, length: columns }
      : { transposed: true, distance: across, length: rows };
  const contiguous = across === 1 || columns === 1 || down === 1 || rows === 1;
  return contiguous && storage.distance >= storage.length ? storage : undefined;
}
