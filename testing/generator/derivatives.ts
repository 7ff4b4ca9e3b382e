/** Checks of derivative rules, against finite differences in float64 and against each other. */
import assert from "node:assert/strict";
import * as ng from "nagare";
import {
  builder,
  type ConcreteTensor,
  concreteShape,
  type DType,
  formatAval,
  isDifferentiable,
  type Tensor,
} from "nagare/backend";
import { stopGradient } from "../../packages/nagare/src/ops/index.ts";
import { apply, asFunctionOf, type Case, differentiableOperands, nonEmptySubsets } from "./cases.ts";
import { assertClose, assertNear, roundingError } from "./compare.ts";
import { type Random, randomTensor, seededRandom, tensorOf } from "./draw.ts";

type TensorFunction = (...xs: Tensor[]) => Tensor[];

/** Central differences of step 1e-5 in float64 err by about 1e-10 · f‴ and 1e-11 · f; the bound leaves room for both. */
const step = 1e-5;
const tolerance = 1e-6;

/** Directions that look like the given tensors. */
export function directionsFor(random: Random, points: readonly Tensor[]): ConcreteTensor[] {
  return points.map((point) => randomTensor(random, concreteShape(point.shape), point.dtype));
}

function moved(points: readonly Tensor[], directions: readonly Tensor[], distance: number): Tensor[] {
  return points.map((point, i) => builder.add(point, builder.mul(directions[i] ?? point, distance)));
}

/** (f(x + h·v) − f(x − h·v)) / 2h, for the results that vary continuously. */
export function centralDifference(
  f: TensorFunction,
  points: readonly Tensor[],
  directions: readonly Tensor[],
  h = step,
): Tensor[] {
  const [above, below] = [f(...moved(points, directions, h)), f(...moved(points, directions, -h))];
  return above.map((high, i) => builder.mul(builder.sub(high, below[i] ?? high), 1 / (2 * h)));
}

function floatResults(f: TensorFunction): TensorFunction {
  return (...xs) => f(...xs).filter(isDifferentiable);
}

/** f's derivative in the given directions, by its jvp rules. */
export function derivative(
  f: TensorFunction,
  points: readonly Tensor[],
  directions: readonly Tensor[],
): [Tensor[], Tensor[]] {
  return ng.jvp(f, [...points], [...directions]);
}

/** Whether some element is not zero. */
export function isNonzero(tensors: readonly Tensor[]): boolean {
  return tensors.some((tensor) => (tensor.dataSync() as ArrayLike<number>).length > 0 && maximum(tensor) > 0);
}

function maximum(tensor: Tensor): number {
  let largest = 0;
  for (const element of tensor.dataSync() as Float64Array)
    largest = Math.max(largest, Math.abs(Number(element)));
  return largest;
}

/** The operands that count in float64, as points, and a direction for each. */
function setting(test: Case, positions: readonly number[]) {
  const points = positions.map((i) => test.inputs[i] as ConcreteTensor);
  const random = seededRandom(test.label);
  return {
    points,
    random,
    directions: directionsFor(random, points),
    f: floatResults(asFunctionOf(test, positions)),
  };
}

/** The primal results of jvp and vjp are the eager ones, bit for bit. */
export function checkPrimals(test: Case): void {
  const positions = differentiableOperands(test);
  const { points, directions, f } = setting(test, positions);
  const eager = f(...points);
  const [forward] = derivative(f, points, directions);
  const [reverse] = ng.vjp(f, ...points);
  eager.forEach((expected, i) => {
    assertClose(forward[i] ?? expected, expected, { kind: "exact" }, `${test.label}, primal of jvp`);
    assertClose(reverse[i] ?? expected, expected, { kind: "exact" }, `${test.label}, primal of vjp`);
  });
}

/** Tangents and cotangents have their primals' shapes and dtypes. */
export function checkTangentAvals(test: Case): void {
  const positions = differentiableOperands(test);
  const { points, directions, f } = setting(test, positions);
  const [outputs, tangents] = derivative(f, points, directions);
  const [, pullback] = ng.vjp(f, ...points);
  const cotangents = pullback(outputs) as readonly Tensor[];
  assert.deepEqual(tangents.map(formatAval), outputs.map(formatAval), `${test.label}, tangents`);
  assert.deepEqual(cotangents.map(formatAval), points.map(formatAval), `${test.label}, cotangents`);
}

/**
 * jvp equals central differences, in float64, in every operand by itself and in all of them together. Results in other
 * dtypes are too coarse for small steps: there the operation must be linear, and any step shows its slope.
 */
export function checkFirstOrder(test: Case): void {
  const all = differentiableOperands(test);
  for (const positions of [...all.map((i) => [i]), ...(all.length > 1 ? [all] : [])]) {
    const { points, directions, f } = setting(test, positions);
    const [outputs, tangents] = derivative(f, points, directions);
    const fine = outputs.every(({ dtype }) => dtype === "float64");
    assert.ok(
      fine || test.op.linear,
      `${test.label}: a nonlinear operation needs float64 results to be checked`,
    );
    outputs.forEach((output, i) => {
      const tangent = tangents[i] ?? output;
      const label = `${test.label}, derivative in operands [${positions.join(", ")}]`;
      if (test.op === stopGradient) {
        assert.ok(!isNonzero([tangent]), `${label}: no derivative passes stopGradient`);
        return;
      }
      const expected = centralDifference(f, points, directions, fine ? step : 1)[i] ?? output;
      if (fine) assertNear(tangent, expected, tolerance, label);
      else
        assertClose(tangent, expected, { kind: "relative", roundings: 2 + 2 * (1 + maximum(output)) }, label);
    });
  }
}

/** The derivative of the derivative, jvp of jvp, equals central differences of jvp. */
export function checkSecondOrder(test: Case): void {
  const { points, directions, random, f } = setting(test, differentiableOperands(test));
  const slope: TensorFunction = (...xs) => derivative(f, xs, directions)[1];
  const others = directionsFor(random, points);
  const [, curvature] = derivative(slope, points, others);
  centralDifference(slope, points, others).forEach((expected, i) => {
    if (expected.dtype !== "float64") return;
    assertNear(curvature[i] ?? expected, expected, tolerance, `${test.label}, second derivative`);
  });
}

/** The largest second derivative that central differences see. */
export function hasCurvature(test: Case): boolean {
  const { points, directions, random, f } = setting(test, differentiableOperands(test));
  const slope: TensorFunction = (...xs) => derivative(f, xs, directions)[1];
  const differences = centralDifference(slope, points, directionsFor(random, points));
  return differences.some((difference) => difference.dtype === "float64" && maximum(difference) > 1e-3);
}

/** Whether central differences see the result vary with operand `position`. */
export function variesWith(test: Case, position: number): boolean {
  const { points, directions, f } = setting(test, [position]);
  return centralDifference(f, points, directions).some(
    (difference) => difference.dtype === "float64" && maximum(difference) > 1e-3,
  );
}

function innerProduct(a: readonly Tensor[], b: readonly Tensor[]): { value: number; scale: number } {
  let [value, scale] = [0, 0];
  a.forEach((tensor, i) => {
    const [left, right] = [tensor.dataSync() as Float64Array, (b[i] ?? tensor).dataSync() as Float64Array];
    left.forEach((element, k) => {
      value += element * (right[k] ?? 0);
      scale += Math.abs(element * (right[k] ?? 0));
    });
  });
  return { value, scale };
}

/**
 * ⟨ct, jvp v⟩ = ⟨vjp ct, v⟩ for every non-empty subset of operands: the transposed rules are the transpose. A rule that
 * makes zero is seen because ct is drawn at random.
 */
export function checkTranspose(test: Case): void {
  for (const positions of nonEmptySubsets(differentiableOperands(test))) {
    const { points, directions, random, f } = setting(test, positions);
    for (const used of usedResults(f(...points))) {
      const some: TensorFunction = (...xs) => f(...xs).filter((_, i) => used.includes(i));
      const [outputs, tangents] = derivative(some, points, directions);
      const cotangents = directionsFor(random, outputs);
      const [, pullback] = ng.vjp(some, ...points);
      const gradients = pullback(cotangents) as readonly Tensor[];
      const [forward, backward] = [innerProduct(cotangents, tangents), innerProduct(gradients, directions)];
      const rounding = outputs.some(({ dtype }) => dtype !== "float64") ? 0.02 : 1e-12;
      const bound = rounding * (forward.scale + backward.scale);
      assert.ok(
        Math.abs(forward.value - backward.value) <= bound,
        `${test.label}, operands [${positions.join(", ")}], results [${used.join(", ")}]: ` +
          `⟨ct, jvp v⟩ = ${forward.value}, ⟨vjp ct, v⟩ = ${backward.value}`,
      );
    }
  }
}

/**
 * All results, and each of several alone: a reverse rule may treat a result that nothing depends on in another way than
 * one whose cotangent is given.
 */
function usedResults(results: readonly Tensor[]): number[][] {
  const all = results.map((_, i) => i);
  return [all, ...(all.length > 1 ? all.map((i) => [i]) : [])];
}

/** Samples of more elements than this are left to the random cotangents. */
const matrixLimit = 30;

/** The Jacobian column by column (jvp of unit vectors) and row by row (vjp of unit vectors) is one matrix. */
export function checkMatrix(test: Case): void {
  for (const position of differentiableOperands(test)) {
    const { points, f } = setting(test, [position]);
    const [point] = points;
    const [output, more] = f(...points);
    if (!point || !output || more || point.size > matrixLimit || output.size > matrixLimit) continue;
    const columns = unitVectors(point).map((unit) => elements(derivative(f, points, [unit])[1]));
    const [, pullback] = ng.vjp(f, ...points);
    const rows = unitVectors(output).map((unit) => elements(pullback([unit]) as readonly Tensor[]));
    const transposed = unitVectors(output).map((_, row) => columns.map((column) => column[row] ?? 0));
    const scale = Math.max(1, ...columns.flat().map(Math.abs));
    rows.forEach((row, i) => {
      row.forEach((entry, j) => {
        const other = transposed[i]?.[j] ?? 0;
        const rounding = output.dtype === "float64" ? 1e-12 : 0.02;
        assert.ok(
          Math.abs(entry - other) <= rounding * scale,
          `${test.label}, operand ${position}: entry (${i}, ${j}) of the Jacobian is ${other} by jvp, ${entry} by vjp`,
        );
      });
    });
  }
}

function unitVectors(like: Tensor): ConcreteTensor[] {
  const shape = concreteShape(like.shape);
  return Array.from({ length: like.size }, (_, i) =>
    tensorOf(
      Array.from({ length: like.size }, (_unused, k) => (k === i ? 1 : 0)),
      shape,
      like.dtype,
    ),
  );
}

function elements(tensors: readonly Tensor[]): number[] {
  return tensors.flatMap((tensor) => Array.from(tensor.dataSync() as ArrayLike<number>));
}

/** A loss that is curved even where the operation is linear: Σ ct · f(x)², over the float results `used` (default: all). */
export function curvedLoss(
  test: Case,
  positions: readonly number[],
  dtype: DType,
  used?: readonly number[],
): (...xs: Tensor[]) => Tensor {
  const f = floatResults(asFunctionOf(test, positions));
  const weights = directionsFor(
    seededRandom(`loss ${test.label}`),
    apply(test, test.inputs).filter(isDifferentiable),
  );
  return (...xs) => {
    const terms = f(...xs).flatMap((y, i) => {
      if (used && !used.includes(i)) return [];
      const weighted = builder.mul(builder.square(y), weights[i] ?? y);
      const axes = y.shape.map((_, axis) => axis);
      return builder.convert(builder.reduceSum(weighted, { axes }), { dtype });
    });
    return terms.reduce((a, b) => builder.add(a, b), builder.full({ shape: [], dtype, value: 0 }));
  };
}

/** The gradient of ⟨gradient, u⟩ equals central differences of the gradient: reverse mode nests in itself. */
export function checkGradOfGrad(test: Case): void {
  const positions = differentiableOperands(test);
  const { points, directions, random, f } = setting(test, positions);
  const results = f(...points);
  if (results.some(({ dtype }) => dtype !== "float64")) return;
  const argnums = positions.map((_, i) => i);
  for (const used of usedResults(results)) {
    const loss = curvedLoss(test, positions, "float64", used);
    const gradient = ng.grad(loss, { argnums }) as unknown as TensorFunction;
    const along = (...xs: Tensor[]): Tensor =>
      gradient(...xs)
        .map((g, i) =>
          builder.reduceSum(builder.mul(g, directions[i] ?? g), { axes: g.shape.map((_, axis) => axis) }),
        )
        .reduce((a, b) => builder.add(a, b));
    const hessianRow = (ng.grad(along, { argnums }) as unknown as TensorFunction)(...points);
    const others = directionsFor(random, points);
    const [expected] = centralDifference((...xs) => [along(...xs)], points, others);
    const actual = tensorOf([innerProduct(hessianRow, others).value], [], "float64");
    const label = `${test.label}, results [${used.join(", ")}], gradient of gradient`;
    if (expected) assertNear(actual, expected, 10 * tolerance, label);
  }
}

/** Roundings that compiled gradients may differ by: fused code rounds intermediate halves less often than eager code. */
const gradientRoundings = { half: 16, full: 256 };

/** The compiled gradient is the gradient, to the rounding of the coarsest dtype on the way. */
export function checkJitOfGrad(test: Case): void {
  const positions = differentiableOperands(test);
  const { points, f } = setting(test, positions);
  const [dtype] = points.map((point) => point.dtype);
  if (!dtype) return;
  const errors = [...points, ...f(...points)].map((tensor) => roundingError[tensor.dtype] ?? 0);
  const coarsest = Math.max(...errors);
  const roundings = coarsest > 2 ** -24 ? gradientRoundings.half : gradientRoundings.full;
  const argnums = positions.map((_, i) => i);
  for (const used of usedResults(f(...points))) {
    const loss = curvedLoss(test, positions, dtype, used);
    const gradient = ng.grad(loss, { argnums }) as unknown as TensorFunction;
    const eager = gradient(...points);
    const label = `${test.label}, results [${used.join(", ")}], compiled gradient`;
    ng.jit(gradient)(...points).forEach((actual, i) => {
      assertNear(actual, eager[i] ?? actual, roundings * coarsest, label);
    });
  }
}
