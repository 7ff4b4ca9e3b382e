/** Exponentials, logarithms, trigonometric and error functions of one real argument. */
import { type UnaryOp, unary } from "./define/index.ts";

type Family = typeof import("./transcendental.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** eˣ. */
export const exp: UnaryOp = unary("exp", {
  dtypes: "float",
  scalar: (e, x) => e.exp(x),
  jvp: (o, _, [dx], y) => o.mul(dx, y),
  domain: { low: -2, high: 2 },
});

/** eˣ − 1, accurate near 0. */
export const expm1: UnaryOp = unary("expm1", {
  dtypes: "float",
  scalar: (e, x) => e.expm1(x),
  jvp: (o, _, [dx], y) => o.mul(dx, o.add(y, 1)),
  domain: { low: -2, high: 2 },
});

/** The natural logarithm; −∞ at 0, NaN below. */
export const log: UnaryOp = unary("log", {
  dtypes: "float",
  scalar: (e, x) => e.log(x),
  jvp: (o, [x], [dx]) => o.div(dx, x),
  domain: { low: 0.5, high: 3 },
});

/** ln(1 + x), accurate near 0. */
export const log1p: UnaryOp = unary("log1p", {
  dtypes: "float",
  scalar: (e, x) => e.log1p(x),
  jvp: (o, [x], [dx]) => o.div(dx, o.add(x, 1)),
  domain: { low: -0.5, high: 2 },
});

/** Sine of an angle in radians. */
export const sin: UnaryOp = unary("sin", {
  dtypes: "float",
  scalar: (e, x) => e.sin(x),
  jvp: (o, [x], [dx]) => o.mul(dx, o.cos(x)),
  domain: { low: -1.3, high: 1.3 },
});

/** Cosine of an angle in radians. */
export const cos: UnaryOp = unary("cos", {
  dtypes: "float",
  scalar: (e, x) => e.cos(x),
  jvp: (o, [x], [dx]) => o.neg(o.mul(dx, o.sin(x))),
  domain: { low: 0.3, high: 2.8 },
});

/** Hyperbolic tangent. */
export const tanh: UnaryOp = unary("tanh", {
  dtypes: "float",
  scalar: (e, x) => e.tanh(x),
  jvp: (o, _, [dx], y) => o.mul(dx, o.sub(1, o.square(y))),
  domain: { low: -2, high: 2 },
});

/** The logistic function 1 / (1 + e⁻ˣ). */
export const sigmoid: UnaryOp = unary("sigmoid", {
  dtypes: "float",
  scalar: (e, x) => e.sigmoid(x),
  jvp: (o, _, [dx], y) => o.mul(dx, o.mul(y, o.sub(1, y))),
  domain: { low: -3, high: 3 },
});

/** Error function, erf(x) = 2/√π ∫₀ˣ exp(−t²) dt. */
export const erf: UnaryOp = unary("erf", {
  dtypes: "float",
  scalar: (e, x) => e.erf(x),
  jvp: (o, [x], [dx]) => o.mul(dx, o.mul(2 / Math.sqrt(Math.PI), o.exp(o.neg(o.square(x))))),
  domain: { low: -2, high: 2 },
});
