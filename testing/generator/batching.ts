/** Checks of batching rules: a mapped operation equals the operation in a loop. */
import assert from "node:assert/strict";
import * as ng from "nagare";
import {
  builder,
  type ConcreteTensor,
  concreteShape,
  dim,
  Program,
  ShapeError,
  type Tensor,
} from "nagare/backend";
import { apply, asFunctionOf, type Case, differentiableOperands, nonEmptySubsets } from "./cases.ts";
import { assertClose, assertNear, toleranceOf } from "./compare.ts";
import { curvedLoss } from "./derivatives.ts";
import { randomTensor, seededRandom, tensorOf } from "./draw.ts";

const size = 3;

/** One more axis at `axis`, along which the given tensors of one shape follow each other. */
function stack(tensors: readonly Tensor[], axis: number): Tensor {
  const rows = tensors.map((tensor) =>
    builder.reshape(tensor, { shape: tensor.shape.toSpliced(axis, 0, 1) }),
  );
  return builder.concat(rows, { axis });
}

/** Operands for every example, and how a mapped call gets them: those not mapped are the first example's for all. */
function examplesOf(test: Case, mapped: readonly boolean[], count = size): readonly Tensor[][] {
  return Array.from({ length: count }, (_, k) => {
    const own = k === 0 ? test.inputs : test.redraw(`example ${k}`);
    return test.inputs.map((input, i) => (mapped[i] ? (own[i] ?? input) : input));
  });
}

function stackExamples(
  test: Case,
  examples: readonly Tensor[][],
  mapped: readonly boolean[],
  axes: readonly number[],
): Tensor[] {
  return test.inputs.map((input, i) =>
    mapped[i]
      ? stack(
          examples.map((example) => example[i] ?? input),
          axes[i] ?? 0,
        )
      : input,
  );
}

function compareWithLoop(
  test: Case,
  batch: readonly Tensor[],
  examples: readonly Tensor[][],
  label: string,
): void {
  const loop = examples.map((example) => apply(test, example));
  batch.forEach((actual, k) => {
    const expected = stack(
      loop.map((results) => results[k] ?? actual),
      0,
    );
    assertClose(actual, expected, toleranceOf(test.op, expected.dtype), label);
  });
}

/** vmap equals the stacked loop for every non-empty subset of mapped operands, and with the mapped axis last. */
export function checkVmap(test: Case): void {
  const positions = test.inputs.map((_, i) => i);
  for (const subset of nonEmptySubsets(positions)) {
    const mapped = positions.map((i) => subset.includes(i));
    const examples = examplesOf(test, mapped);
    for (const axes of [test.inputs.map(() => 0), test.inputs.map((input) => input.rank)]) {
      const inAxes = axes.map((axis, i) => (mapped[i] ? axis : null));
      const f = ng.vmap((...xs: Tensor[]) => apply(test, xs), { inAxes });
      const label = `${test.label}, vmap over ${JSON.stringify(inAxes)}`;
      compareWithLoop(test, f(...stackExamples(test, examples, mapped, axes)), examples, label);
    }
  }
  if (positions.length === 0) checkSourceBatch(test);
  else checkEmptyBatch(test);
}

/** No examples make a result of no examples. */
function checkEmptyBatch(test: Case): void {
  const empty = test.inputs.map((input) => tensorOf([], [0, ...concreteShape(input.shape)], input.dtype));
  const results = ng.vmap((...xs: Tensor[]) => apply(test, xs))(...empty);
  const expected = test.op.abstract(test.inputs, test.params);
  assert.deepEqual(
    results.map((result) => result.shape),
    expected.map(({ shape }) => [0, ...shape]),
    `${test.label}, vmap over no examples`,
  );
}

/** A source has no operand to map: its rule is asked for itself. */
function checkSourceBatch(test: Case): void {
  const batch = test.op.batch?.(builder, [], [], size, test.params);
  assert.ok(batch, `${test.label}: a source needs a batching rule`);
  compareWithLoop(test, batch, examplesOf(test, []), `${test.label}, batch rule`);
}

/** vmap of vmap equals two loops. */
export function checkNestedVmap(test: Case): void {
  if (test.inputs.length === 0) return;
  const mapped = test.inputs.map(() => true);
  const axes = test.inputs.map(() => 0);
  const rows = [0, 1].map((row) =>
    Array.from({ length: size }, (_, k): Tensor[] => [...test.redraw(`row ${row}, example ${k}`)]),
  );
  const batches = rows.map((examples) => stackExamples(test, examples, mapped, axes));
  const operands = test.inputs.map((input, i) =>
    stack(
      batches.map((batch) => batch[i] ?? input),
      0,
    ),
  );
  const f = ng.vmap(ng.vmap((...xs: Tensor[]) => apply(test, xs)));
  const flat = f(...operands).map((result) =>
    builder.reshape(result, { shape: [rows.length * size, ...result.shape.slice(2)] }),
  );
  compareWithLoop(test, flat, rows.flat(), `${test.label}, vmap of vmap`);
}

/** vmap of grad equals a loop of gradients: batching rules hold inside derivative rules. */
export function checkVmapOfGrad(test: Case): void {
  const positions = differentiableOperands(test);
  const mapped = test.inputs.map((_, i) => positions.includes(i));
  const examples = examplesOf(test, mapped);
  const argnums = positions.map((_, i) => i);
  const gradient = ng.grad(curvedLoss(test, positions, "float64"), { argnums }) as unknown as (
    ...xs: Tensor[]
  ) => Tensor[];
  const pick = (list: readonly Tensor[]): Tensor[] => positions.map((i) => list[i] as Tensor);
  const batch = ng.vmap(gradient)(
    ...pick(
      stackExamples(
        test,
        examples,
        mapped,
        test.inputs.map(() => 0),
      ),
    ),
  );
  const loop = examples.map((example) => gradient(...pick(example)));
  batch.forEach((actual, k) => {
    const expected = stack(
      loop.map((gradients) => gradients[k] ?? actual),
      0,
    );
    assertNear(actual, expected, 1e-12, `${test.label}, vmap of grad`);
  });
}

/** grad of a mapped function equals the sum of the loop's gradients: derivative rules hold inside batching rules. */
export function checkJvpOfVmap(test: Case): void {
  const positions = differentiableOperands(test);
  const mapped = test.inputs.map((_, i) => positions.includes(i));
  const examples = examplesOf(test, mapped).map((example) => positions.map((i) => example[i] as Tensor));
  const random = seededRandom(`tangents ${test.label}`);
  const tangents = examples.map((example) =>
    example.map((x) => randomTensor(random, concreteShape(x.shape), x.dtype)),
  );
  const f = asFunctionOf(test, positions);
  const across = (lists: readonly (readonly Tensor[])[]): Tensor[] =>
    positions.map((_, k) =>
      stack(
        lists.map((list) => list[k] as Tensor),
        0,
      ),
    );
  const [, batch] = ng.jvp(ng.vmap(f), across(examples), across(tangents));
  const loop = examples.map((example, k) => ng.jvp(f, [...example], [...(tangents[k] ?? [])])[1]);
  batch.forEach((actual, k) => {
    const expected = stack(
      loop.map((rates) => rates[k] ?? actual),
      0,
    );
    if (expected.dtype === "float64") assertNear(actual, expected, 1e-12, `${test.label}, jvp of vmap`);
  });
}

/**
 * A graph traced with a symbolic number of examples gives what the loop gives, at several sizes: the shape rule and the
 * batching rule compute with symbols. The first operand is mapped, as data is when a model is served. A rule that turns
 * examples into something a parameter counts may refuse, saying that the number "must be known": the answer is why.
 */
export function checkSymbolicBatch(test: Case): string | undefined {
  const [first] = test.inputs;
  if (!first) return undefined;
  const mapped = test.inputs.map((_, i) => i === 0);
  const avals = test.inputs.map((input, i) =>
    i === 0 ? { ...input, shape: [dim("batch"), ...input.shape] } : input,
  );
  const inAxes = mapped.map((isMapped) => (isMapped ? 0 : null));
  const trace = () =>
    ng.traceGraph(avals, (inputs) => ({
      outputs: ng.vmap((...xs: Tensor[]) => apply(test, xs), { inAxes })(...inputs),
      result: undefined,
    }));
  let program: Program;
  try {
    program = new Program(trace().graph);
  } catch (error) {
    if (error instanceof ShapeError && /must be known/.test(error.message)) return error.message;
    throw error;
  }
  for (const count of [size, 1, 5]) {
    const examples = examplesOf(test, mapped, count);
    const operands = stackExamples(
      test,
      examples,
      mapped,
      inAxes.map((axis) => axis ?? 0),
    );
    const results = program.run(operands as ConcreteTensor[]);
    compareWithLoop(test, results, examples, `${test.label}, symbolic batch of ${count}`);
  }
  return undefined;
}
