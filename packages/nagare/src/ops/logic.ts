/** Comparisons, logic, bits, and choice between two operands. */
import { type BinaryOp, binary, conditional, type TernaryOp, type UnaryOp, unary } from "./define/index.ts";

type Family = typeof import("./logic.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

const comparison = { dtypes: "any", result: "bool", jvp: null, domain: { low: -2, high: 2 } } as const;

/** a = b, as bool. NaN equals nothing. */
export const equal: BinaryOp = binary("equal", { ...comparison, scalar: (e, a, b) => e.equal(a, b) });

/** a ≠ b, as bool. */
export const notEqual: BinaryOp = binary("notEqual", {
  ...comparison,
  scalar: (e, a, b) => e.notEqual(a, b),
});

/** a < b, as bool. */
export const less: BinaryOp = binary("less", { ...comparison, scalar: (e, a, b) => e.less(a, b) });

/** a ≤ b, as bool. */
export const lessEqual: BinaryOp = binary("lessEqual", {
  ...comparison,
  scalar: (e, a, b) => e.lessEqual(a, b),
});

/** a > b, as bool. */
export const greater: BinaryOp = binary("greater", { ...comparison, scalar: (e, a, b) => e.greater(a, b) });

/** a ≥ b, as bool. */
export const greaterEqual: BinaryOp = binary("greaterEqual", {
  ...comparison,
  scalar: (e, a, b) => e.greaterEqual(a, b),
});

/** Whether x is not a number, as bool. */
export const isNan: UnaryOp = unary("isNan", {
  dtypes: "float",
  result: "bool",
  scalar: (e, x) => e.isNan(x),
  jvp: null,
  domain: { low: -2, high: 2 },
});

const boolean = { dtypes: "bool", jvp: null, domain: { low: 0, high: 1 } } as const;

/** not x. */
export const logicalNot: UnaryOp = unary("logicalNot", { ...boolean, scalar: (e, x) => e.logicalNot(x) });

/** a and b. */
export const logicalAnd: BinaryOp = binary("logicalAnd", {
  ...boolean,
  scalar: (e, a, b) => e.logicalAnd(a, b),
});

/** a or b. */
export const logicalOr: BinaryOp = binary("logicalOr", {
  ...boolean,
  scalar: (e, a, b) => e.logicalOr(a, b),
});

/** The bits that both a and b have. */
export const bitwiseAnd: BinaryOp = binary("bitwiseAnd", {
  dtypes: "int",
  scalar: (e, a, b) => e.bitwiseAnd(a, b),
  jvp: null,
  domain: { low: 0, high: 100 },
});

/** The bits in which a and b differ. */
export const bitwiseXor: BinaryOp = binary("bitwiseXor", {
  dtypes: "int",
  scalar: (e, a, b) => e.bitwiseXor(a, b),
  jvp: null,
  domain: { low: 0, high: 100 },
});

/** a's bits moved b places down, zeros moving in; a count outside the width gives 0. */
export const shiftRightLogical: BinaryOp = binary("shiftRightLogical", {
  dtypes: "bits",
  scalar: (e, a, b) => e.shiftRightLogical(a, b),
  jvp: null,
  domain: [
    { low: -1000, high: 1000 },
    { low: 0, high: 35 },
  ],
});

/** a where the condition holds, b elsewhere; all three broadcast. What is not chosen has a derivative of exactly 0. */
export const select: TernaryOp = conditional("select", {
  dtypes: "any",
  scalar: (e, condition, a, b) => e.select(condition, a, b),
  jvp: (o, [condition], [, da, db]) => o.select(condition, da, db),
  linear: { kind: "joint", operands: [1, 2] },
  transpose: (o, ct, index, [condition]) =>
    index === 1 ? o.select(condition, ct, 0) : o.select(condition, 0, ct),
  domain: { low: -2, high: 2 },
});
