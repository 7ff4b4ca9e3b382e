/** Elementwise arithmetic. Each record is the whole definition of its op. */
import type { Tensor } from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";
import { type BinaryOp, binary, type UnaryOp, unary } from "./define/index.ts";

type Family = typeof import("./arithmetic.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** −x. Integers wrap. */
export const neg: UnaryOp = unary("neg", {
  dtypes: "number",
  scalar: (e, x) => e.neg(x),
  jvp: (o, _, [dx]) => o.neg(dx),
  linear: { kind: "joint", operands: "all" },
  transpose: (o, ct) => o.neg(ct),
  domain: { low: -2, high: 2 },
});

/** |x|. The derivative at 0 is taken as 0. */
export const abs: UnaryOp = unary("abs", {
  dtypes: "number",
  scalar: (e, x) => e.abs(x),
  jvp: (o, [x], [dx]) => o.mul(dx, o.sign(x)),
  domain: { low: 0.5, high: 2 },
});

/** −1, 0 or 1; NaN stays NaN. */
export const sign: UnaryOp = unary("sign", {
  dtypes: "number",
  scalar: (e, x) => e.sign(x),
  jvp: null,
  domain: { low: 0.5, high: 2 },
});

/** x². */
export const square: UnaryOp = unary("square", {
  dtypes: "number",
  scalar: (e, x) => e.mul(x, x),
  jvp: (o, [x], [dx]) => o.mul(dx, o.mul(2, x)),
  domain: { low: 0.5, high: 2 },
});

/** √x; NaN below 0. */
export const sqrt: UnaryOp = unary("sqrt", {
  dtypes: "float",
  scalar: (e, x) => e.sqrt(x),
  jvp: (o, _, [dx], y) => o.div(o.mul(dx, 0.5), y),
  domain: { low: 0.5, high: 3 },
});

/** 1/√x. */
export const rsqrt: UnaryOp = unary("rsqrt", {
  dtypes: "float",
  scalar: (e, x) => e.rsqrt(x),
  jvp: (o, [x], [dx], y) => o.mul(dx, o.mul(-0.5, o.div(y, x))),
  domain: { low: 0.5, high: 3 },
});

/** The largest whole number not above x. */
export const floor: UnaryOp = unary("floor", {
  dtypes: "float",
  scalar: (e, x) => e.floor(x),
  jvp: null,
  domain: { low: -3, high: 3 },
});

/** The smallest whole number not below x. */
export const ceil: UnaryOp = unary("ceil", {
  dtypes: "float",
  scalar: (e, x) => e.ceil(x),
  jvp: null,
  domain: { low: -3, high: 3 },
});

/** The nearest whole number; ties go to the even one, as in NumPy. */
export const round: UnaryOp = unary("round", {
  dtypes: "float",
  scalar: (e, x) => e.round(x),
  jvp: null,
  domain: { low: -3, high: 3 },
});

/** a + b. */
export const add: BinaryOp = binary("add", {
  dtypes: "number",
  scalar: (e, a, b) => e.add(a, b),
  jvp: (o, _, [da, db]) => o.add(da, db),
  linear: { kind: "joint", operands: "all" },
  transpose: (_, ct) => ct,
  domain: { low: -2, high: 2 },
});

/** a − b. */
export const sub: BinaryOp = binary("sub", {
  dtypes: "number",
  scalar: (e, a, b) => e.sub(a, b),
  jvp: (o, _, [da, db]) => o.sub(da, db),
  linear: { kind: "joint", operands: "all" },
  transpose: (o, ct, index) => (index === 0 ? ct : o.neg(ct)),
  domain: { low: -2, high: 2 },
});

/** a · b. */
export const mul: BinaryOp = binary("mul", {
  dtypes: "number",
  scalar: (e, a, b) => e.mul(a, b),
  jvp: (o, [a, b], [da, db]) => o.add(o.mul(da, b), o.mul(a, db)),
  linear: { kind: "each", operands: "all" },
  transpose: (o, ct, index, [a, b]) => o.mul(ct, index === 0 ? b : a),
  domain: { low: 0.5, high: 2 },
});

/** a / b. Integers truncate towards zero, and a divisor of 0 gives 0; `ng.div` converts them to floats first. */
export const div: BinaryOp = binary("div", {
  dtypes: "number",
  scalar: (e, a, b) => e.div(a, b),
  jvp: (o, [, b], [da, db], y) => o.sub(o.div(da, b), o.mul(db, o.div(y, b))),
  linear: { kind: "each", operands: [0] },
  transpose: (o, ct, _, [, b]) => o.div(ct, b),
  domain: { low: 0.5, high: 2 },
});

/** aᵇ. d/db = aᵇ·ln a holds for a > 0; at a = 0 it is taken as 0. */
export const pow: BinaryOp = binary("pow", {
  dtypes: "number",
  scalar: (e, a, b) => e.pow(a, b),
  jvp: (o, [a, b], [da, db], y) => {
    const safe = o.select(o.equal(a, 0), 1, a);
    return o.add(o.mul(da, o.mul(b, o.pow(a, o.sub(b, 1)))), o.mul(db, o.mul(y, o.log(safe))));
  },
  domain: [
    { low: 0.5, high: 2 },
    { low: 1.5, high: 3 },
  ],
});

/** a mod b with the sign of b, as in Python and NumPy; an integer divisor of 0 gives 0. */
export const remainder: BinaryOp = binary("remainder", {
  dtypes: "number",
  scalar: (e, a, b) => e.remainder(a, b),
  jvp: (o, [a, b], [da, db]) => o.sub(da, o.mul(db, o.floor(o.div(a, b)))),
  domain: [
    { low: 4.2, high: 4.4 },
    { low: 1.12, high: 1.38 },
  ],
});

/** The larger of a and b; NaN when either is. Where both are equal each gets half of the derivative. */
export const maximum: BinaryOp = binary("maximum", {
  dtypes: "number",
  scalar: (e, a, b) => e.maximum(a, b),
  jvp: (o, [a, b], [da, db]) => extremumTangent(o, o.greater(a, b), o.equal(a, b), da, db),
  domain: { low: -2, high: 2, distinct: true },
});

/** The smaller of a and b; NaN when either is. Where both are equal each gets half of the derivative. */
export const minimum: BinaryOp = binary("minimum", {
  dtypes: "number",
  scalar: (e, a, b) => e.minimum(a, b),
  jvp: (o, [a, b], [da, db]) => extremumTangent(o, o.less(a, b), o.equal(a, b), da, db),
  domain: { low: -2, high: 2, distinct: true },
});

/** Where a wins its tangent, where b wins its, and the mean of both at a tie. */
function extremumTangent(o: OpBuilder, firstWins: Tensor, tie: Tensor, da: Tensor, db: Tensor): Tensor {
  return o.select(tie, o.mul(0.5, o.add(da, db)), o.select(firstWins, da, db));
}

/** max(x, 0), the rectified linear unit. The derivative at 0 is taken as 0. */
export const relu: UnaryOp = unary("relu", {
  dtypes: "number",
  scalar: (e, x) => e.maximum(x, e.constant(0)),
  jvp: (o, _, [dx], y) => o.select(o.greater(y, 0), dx, 0),
  domain: { low: -2, high: 2, distinct: true },
});
