/** Rules replaced by wrong ones, to see whether the checks notice. */
import assert from "node:assert/strict";
import { builder, isDifferentiable, linearOperands, type Primitive, type Tensor } from "nagare/backend";
import { checkVmap } from "./batching.ts";
import { apply, type Case, casesOf, differentiableOperands } from "./cases.ts";
import {
  checkFirstOrder,
  checkGradOfGrad,
  checkSecondOrder,
  checkTranspose,
  hasCurvature,
  variesWith,
} from "./derivatives.ts";

/** A wrong rule, and the check that must notice it in some of the cases. */
export interface Mutation {
  readonly name: string;
  readonly rules: Partial<Pick<Primitive, "jvp" | "transpose" | "batch" | "vjp">>;
  readonly check: (test: Case) => void;
  readonly cases: readonly Case[];
}

function zerosLike({ shape, dtype }: Pick<Tensor, "shape" | "dtype">): Tensor {
  return builder.full({ shape, dtype, value: 0 });
}

/** What central differences say about an operation's derivatives, whatever its rules say. */
function derivativeMutations(op: Primitive): Mutation[] {
  const cases = op.dtypes.includes("float64") ? casesOf(op, "float64") : [];
  const count = Math.max(0, ...cases.map(({ inputs }) => inputs.length));
  const positions = Array.from({ length: count }, (_, i) => i).filter((i) =>
    cases.some(
      (test) => differentiableOperands(test).includes(i) && passesDerivative(test) && variesWith(test, i),
    ),
  );
  if (positions.length === 0) return [];
  const { jvp } = op;
  if (!jvp) return reverseMutations(op, cases, positions);
  const firstOrder = { check: checkFirstOrder, cases };
  const mutations: Mutation[] = [
    {
      name: "a jvp of zeros",
      rules: { jvp: (_o, _primals, _tangents, _params, outputs) => outputs.map(zerosLike) },
      ...firstOrder,
    },
  ];
  for (const position of positions) {
    mutations.push({
      name: `a jvp without operand ${position}`,
      rules: {
        jvp: (o, primals, tangents, params, outputs) => {
          const without = tangents.map((tangent, i) => (i === position ? zerosLike(tangent) : tangent));
          return jvp.call(op, o, primals, without, params, outputs);
        },
      },
      ...firstOrder,
    });
  }
  const curved = cases.filter((test) => hasCurvature(test));
  if (curved.length > 0) {
    const fixed = (list: readonly Tensor[]) => list.map((x) => builder.stopGradient(x, {}));
    mutations.push({
      name: "a jvp that is not differentiable itself",
      rules: {
        jvp: (o, primals, tangents, params, outputs) =>
          jvp.call(op, o, fixed(primals), tangents, params, fixed(outputs)),
      },
      check: checkSecondOrder,
      cases: curved,
    });
  }
  return [...mutations, ...transposeMutations(op, cases, positions)];
}

/** A fused operation takes its derivative from its decomposition; only its reverse rule can be wrong. */
function reverseMutations(op: Primitive, cases: readonly Case[], positions: readonly number[]): Mutation[] {
  const { vjp } = op;
  if (!vjp) return [];
  const mutations: Mutation[] = positions.map((position) => ({
    name: `a vjp without operand ${position}`,
    rules: {
      vjp: (...args) => vjp.apply(op, args)?.map((cotangent, i) => (i === position ? null : cotangent)),
    },
    check: checkTranspose,
    cases,
  }));
  const curved = cases.filter((test) => hasCurvature(test));
  if (curved.length > 0) {
    const fixed = (list: readonly Tensor[]) => list.map((x) => builder.stopGradient(x, {}));
    mutations.push({
      name: "a vjp that is not differentiable itself",
      rules: {
        vjp: (o, pullback, params) =>
          vjp.call(
            op,
            o,
            { ...pullback, inputs: fixed(pullback.inputs), outputs: fixed(pullback.outputs) },
            params,
          ),
      },
      check: checkGradOfGrad,
      cases: curved,
    });
  }
  return mutations;
}

/** Whether the derivative that differences see is the derivative that the operation has by definition. */
function passesDerivative(test: Case): boolean {
  const { jvp } = test.op;
  if (!jvp) return true;
  const rates = jvp.call(test.op, builder, test.inputs, test.inputs, test.params, apply(test, test.inputs));
  return rates.some((rate) => rate !== null);
}

function transposeMutations(op: Primitive, cases: readonly Case[], positions: readonly number[]): Mutation[] {
  const { transpose } = op;
  if (!transpose) return [];
  const linear = linearOperands(op, Math.max(...cases.map(({ inputs }) => inputs.length)));
  return linear
    .filter((position) => positions.includes(position))
    .map((position) => ({
      name: `a transpose of zeros for operand ${position}`,
      rules: {
        transpose: (...args: Parameters<NonNullable<Primitive["transpose"]>>): Tensor => {
          const [, , index, , , operand] = args;
          return index === position ? zerosLike(operand) : transpose.apply(op, args);
        },
      },
      check: checkTranspose,
      cases,
    }));
}

/** Batching with the values lost: zeros, and for bools whatever the first one is not. */
function batchMutation(op: Primitive): Mutation[] {
  const [dtype] = op.dtypes;
  if (!dtype) return [];
  const { batch } = op;
  if (!batch) return [];
  const rules: Mutation["rules"] = {
    batch: (...args) =>
      batch.apply(op, args).map((output) => {
        const value = output.dtype === "bool" ? 1 - Number(output.dataSync()[0] ?? 0) : 0;
        return builder.full({ shape: output.shape, dtype: output.dtype, value });
      }),
  };
  return [{ name: "a batch rule of constants", rules, check: checkVmap, cases: casesOf(op, dtype) }];
}

/** Every mutation of an operation's rules that its checks must notice. */
export function mutationsOf(op: Primitive): Mutation[] {
  return [...derivativeMutations(op), ...batchMutation(op)];
}

/** Whether the operation has float operands whose derivative reaches a float result. */
export function hasDerivative(op: Primitive): boolean {
  if (!op.dtypes.includes("float64")) return false;
  return casesOf(op, "float64").some(
    (test) =>
      differentiableOperands(test).length > 0 &&
      apply(test, test.inputs).some(isDifferentiable) &&
      passesDerivative(test),
  );
}

/** Asserts that the check fails in some case while the wrong rules are in force. */
export function assertNoticed(op: Primitive, { name, rules, check, cases }: Mutation): void {
  const { jvp, transpose, batch, vjp } = op;
  Object.assign(op, rules);
  try {
    const noticed = cases.some((test) => {
      try {
        check(test);
        return false;
      } catch (error) {
        if (error instanceof assert.AssertionError) return true;
        throw error;
      }
    });
    assert.ok(
      noticed,
      `${op.name}: ${name} passes the checks. Draw its samples where the derivative does not vanish.`,
    );
  } finally {
    Object.assign(op, { jvp, transpose, batch, vjp });
  }
}
