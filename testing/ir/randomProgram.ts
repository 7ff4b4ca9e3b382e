/** Random programs: functions of tensors put together from primitives, with what passes look for strewn in. */
import fc from "fast-check";
import { random } from "nagare";
import {
  abs,
  add,
  bitwiseXor,
  broadcastShapes,
  broadcastTo,
  concat,
  concreteShape,
  concreteSize,
  convert,
  exp,
  full,
  less,
  matmul,
  maximum,
  mul,
  neg,
  pad,
  randomBits,
  reduceMax,
  reduceSum,
  relu,
  reshape,
  type Shape,
  select,
  sin,
  slice,
  square,
  stopGradient,
  sub,
  type Tensor,
  tanh,
  transpose,
} from "nagare/backend";
import { tensorOf } from "../generator/draw.ts";

/** A program of some float32 tensors, and concrete ones to run it on. */
export interface RandomProgram {
  readonly f: (...inputs: Tensor[]) => Tensor[];
  readonly inputs: readonly Tensor[];
  toString(): string;
}

/** Draws from 0 up to, not including, a bound. */
type Draw = (below: number) => number;

const reverse = (x: Tensor) => ({ permutation: x.shape.map((_, i) => x.rank - 1 - i) });
const flags = { transposeA: false, transposeB: false };
const tame = (x: Tensor): Tensor => tanh(x);

/** Steps that need one tensor. Values stay small, so that no step loses the digits of another. */
const unarySteps: readonly ((x: Tensor, draw: Draw) => Tensor)[] = [
  (x) => neg(x),
  (x) => neg(neg(x)),
  (x) => sin(x),
  (x) => square(tame(x)),
  (x) => exp(tame(x)),
  (x) => relu(x),
  (x) => abs(x),
  (x) => mul(x, 1),
  (x) => add(x, 0),
  (x) => sub(x, 0),
  (x) => sub(0, x),
  (x) => mul(x, full({ shape: x.shape, dtype: "float32", value: 1 })),
  (x) =>
    mul(
      x,
      broadcastTo(full({ shape: [1], dtype: "float32", value: 1 }), { shape: x.rank === 0 ? [1] : x.shape }),
    ),
  (x) => sub(full({ shape: x.shape, dtype: "float32", value: 0.5 }), x),
  (x) => stopGradient(x, {}),
  (x) => convert(convert(x, { dtype: "float64" }), { dtype: "float32" }),
  (x) => select(less(x, 0), mul(x, 0.5), x),
  (x) => transpose(x, reverse(x)),
  (x) => transpose(transpose(x, reverse(x)), reverse(x)),
  (x) => reshape(reshape(x, { shape: [concreteSize(x.shape)] }), { shape: x.shape }),
  (x) => reshape(x, { shape: [1, concreteSize(x.shape)] }),
  (x) => broadcastTo(x, { shape: [2, ...x.shape] }),
  (x, draw) => (x.rank === 0 ? x : tame(reduceSum(x, { axes: [draw(x.rank)] }))),
  (x) => (x.rank === 0 ? x : reduceMax(x, { axes: x.shape.map((_, i) => i) })),
  (x) => (x.rank === 0 ? x : concat([x, neg(x)], { axis: x.rank - 1 })),
  (x) =>
    pad(x, {
      low: x.shape.map(() => 1),
      high: x.shape.map(() => 0),
      interior: x.shape.map(() => 1),
      value: 0.25,
    }),
  (x, draw) =>
    slice(x, {
      starts: x.shape.map((size) => draw(Number(size))),
      limits: x.shape,
      strides: x.shape.map(() => 1 + draw(2)),
    }),
];

/** Steps that draw random numbers for a tensor. */
const drawingSteps: readonly ((x: Tensor, key: Tensor) => Tensor)[] = [
  (x, key) => random.uniform(key, x.shape, { low: -1 }),
  (x, key) => add(x, random.normal(key, x.shape)),
  (x, key) => select(random.bernoulli(key, 0.5, x.shape), mul(x, 2), 0),
  (x, key) => mul(convert(less(randomBits(key, { shape: x.shape }), 1000), { dtype: "float32" }), x),
];

/** Steps that need two tensors of shapes that broadcast. */
const binarySteps: readonly ((x: Tensor, y: Tensor) => Tensor)[] = [
  (x, y) => add(x, y),
  (x, y) => sub(x, y),
  (x, y) => mul(tame(x), tame(y)),
  (x, y) => maximum(x, y),
  (x, y) => select(less(x, y), x, y),
];

function broadcastable(a: Shape, b: Shape): boolean {
  try {
    return concreteSize(broadcastShapes([a, b], "program")) <= 64;
  } catch {
    return false;
  }
}

/** One step on values made earlier: recent ones more often, so that chains form. */
function takeStep(values: readonly Tensor[], key: Tensor, draw: Draw): Tensor | undefined {
  const pick = (): Tensor | undefined =>
    values[Math.max(0, values.length - 1 - draw(draw(2) === 0 ? 3 : values.length))];
  const x = pick();
  if (!x) return undefined;
  const kind = draw(11);
  if (kind < 5) return unarySteps[draw(unarySteps.length)]?.(x, draw);
  if (kind === 5) return add(x, tensorOf([0.5], [], "float32"));
  if (kind === 6 && x.rank >= 2) return tame(matmul(x, transpose(x, swapLast(x)), flags));
  if (kind === 7) return drawingSteps[draw(drawingSteps.length)]?.(x, bitwiseXor(key, draw(3)));
  const partner = values.filter((value) => broadcastable(value.shape, x.shape));
  const y = partner[draw(partner.length)];
  return y && binarySteps[draw(binarySteps.length)]?.(x, y);
}

function swapLast(x: Tensor): { permutation: readonly number[] } {
  const axes = x.shape.map((_, i) => i);
  return { permutation: [...axes.slice(0, -2), x.rank - 1, x.rank - 2] };
}

/** A key that is no constant, and the same however the program is compiled. */
function keyOf([x]: readonly Tensor[]): Tensor {
  const largest = x && reduceMax(x, { axes: x.shape.map((_, i) => i) });
  return convert(broadcastTo(largest ?? full({ shape: [], dtype: "float32", value: 0 }), { shape: [2] }), {
    dtype: "int32",
  });
}

/** The same draws each time the function runs, so that it is the same function. */
function interpret(inputs: readonly Tensor[], numbers: readonly number[], steps: number): Tensor[] {
  let at = 0;
  const draw: Draw = (below) => (numbers[at++ % numbers.length] ?? 0) % Math.max(1, below);
  const values: Tensor[] = [...inputs, tensorOf([1.5], [], "float32")];
  const key = keyOf(inputs);
  for (let i = 0; i < steps; i++) {
    const value = takeStep(values, key, draw);
    if (value && concreteSize(value.shape) <= 64 && value.rank <= 4) values.push(value);
  }
  return [...Array.from({ length: 3 }, () => values[draw(values.length)]), values.at(-1)].filter(
    (x) => x !== undefined,
  );
}

/** Programs of 1 to 30 steps on two inputs. */
export const randomProgram: fc.Arbitrary<RandomProgram> = fc
  .tuple(
    fc.integer({ min: 1, max: 30 }),
    fc.array(fc.nat({ max: 1000 }), { minLength: 97, maxLength: 97 }),
    fc.constantFrom<number[][]>(
      [[2, 3], [3]],
      [[4], []],
      [
        [2, 1, 3],
        [3, 1],
      ],
      [[1], [2, 2]],
    ),
  )
  .map(([steps, numbers, shapes]): RandomProgram => {
    const inputs = shapes.map((shape, k) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return tensorOf(
        Array.from({ length: size }, (_, i) => ((i * 5 + k * 3) % 7) / 4 - 0.8),
        shape,
        "float32",
      );
    });
    return {
      f: (...xs) => interpret(xs, numbers, steps),
      inputs,
      toString: () =>
        `${steps} steps on ${inputs.map((x) => `[${concreteShape(x.shape)}]`).join(" and ")}, drawn by ${numbers}`,
    };
  });
