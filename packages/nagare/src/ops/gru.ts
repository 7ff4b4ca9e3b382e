/** Gated recurrent units (Cho et al. 2014) over whole sequences, in the form whose reset gate acts on the product. */
import type { Tensor } from "../core/index.ts";
import { type FusedOp, fused, type NoParams, noParams } from "./define/index.ts";
import {
  checkLike,
  delayed,
  gatesOf,
  oneLess,
  orZeros,
  product,
  productOfTranspose,
  productOverSteps,
  sequenceSizes,
  slopeOfSigmoid,
  stackSteps,
  stepAt,
  values,
} from "./steps.ts";

type Family = typeof import("./gru.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** x, the recurrent kernel, its bias, and the state before the first step where it is not zero. */
type GruOperands = readonly [Tensor, Tensor, Tensor] | readonly [Tensor, Tensor, Tensor, Tensor];

/** The recurrent kernel, hidden, gates, the gradient by hidden, and h0 where there is one. */
type GruGradOperands =
  | readonly [Tensor, Tensor, Tensor, Tensor]
  | readonly [Tensor, Tensor, Tensor, Tensor, Tensor];

/**
 * All steps of a layer. x [batch, time, 3·units] is what the inputs add to the gates z, r, n; bias [3·units] belongs to the
 * recurrent product p_t = h_{t−1}·recurrent + bias: z = σ(x_z + p_z), r = σ(x_r + p_r), n = tanh(x_n + r·p_n),
 * h_t = z·h_{t−1} + (1 − z)·n. Results: the h_t [batch, time, units], and z, r, n, p_n [batch, time, 4·units].
 */
export const gru: FusedOp<NoParams, GruOperands> = fused("gru", {
  dtypes: "float",
  abstract: ([x, recurrent, bias, h0]) => {
    const { batch, time, units } = sequenceSizes(x, recurrent, 3, "gru");
    checkLike("gru", x.dtype, [
      ["the recurrent kernel", recurrent, recurrent.shape],
      ["the bias", bias, [3 * units]],
      ["h0", h0, [batch, units]],
    ]);
    const { dtype } = x;
    return [
      { shape: [batch, time, units], dtype },
      { shape: [batch, time, 4 * units], dtype },
    ];
  },
  decompose: (o, [x, recurrent, bias, h0]) => {
    const { batch, time, units } = sequenceSizes(x, recurrent, 3, "gru");
    let h = h0;
    const [hidden, gates]: [Tensor[], Tensor[]] = [[], []];
    for (let t = 0; t < time; t++) {
      const [xz, xr, xn] = gatesOf(o, stepAt(o, x, t), units) as [Tensor, Tensor, Tensor];
      const p = h
        ? o.add(product(o, h, recurrent), bias)
        : o.broadcastTo(bias, { shape: [batch, 3 * units] });
      const [pz, pr, pn] = gatesOf(o, p, units) as [Tensor, Tensor, Tensor];
      const [z, r] = [o.sigmoid(o.add(xz, pz)), o.sigmoid(o.add(xr, pr))];
      const n = o.tanh(o.add(xn, o.mul(r, pn)));
      h = h ? o.add(n, o.mul(z, o.sub(h, n))) : o.sub(n, o.mul(z, n));
      hidden.push(h);
      gates.push(o.concat([z, r, n, pn], { axis: 1 }));
    }
    return [stackSteps(o, hidden), stackSteps(o, gates)];
  },
  vjp: (o, { inputs, outputs, cotangents, wanted }) => {
    const [, recurrent, , h0] = inputs;
    const [hidden, gates] = outputs;
    const [dHidden, dGates] = cotangents;
    if (dGates || !hidden || !gates) return undefined;
    const given = orZeros(o, dHidden, hidden);
    const [dx, dProduct, dh0 = null] = h0
      ? o.gruGrad([recurrent, hidden, gates, given, h0], noParams)
      : o.gruGrad([recurrent, hidden, gates, given], noParams);
    if (!dx || !dProduct) return undefined;
    const dRecurrent = wanted[1] ? productOverSteps(o, delayed(o, hidden, h0), dProduct) : null;
    const dBias = wanted[2] ? o.reduceSum(dProduct, { axes: [0, 1] }) : null;
    return h0 ? [dx, dRecurrent, dBias, dh0] : [dx, dRecurrent, dBias];
  },
  samples: () => [
    { inputs: [values(2, 3, 6), values(2, 6), values(6)], params: noParams },
    { inputs: [values(2, 2, 6), values(2, 6), values(6), values(2, 2)], params: noParams },
    { inputs: [values(3, 1, 3), values(1, 3), values(3), values(3, 1)], params: noParams },
    { inputs: [values(0, 2, 3), values(1, 3), values(3)], params: noParams },
  ],
});

/**
 * The cotangents of x, of the recurrent product p and, where an h0 is given, of it, from gru's results and the cotangent of
 * the first: back in time, with dh = dHidden_t + dh_{t+1}·z_{t+1} + dp_{t+1}·recurrentᵀ.
 */
export const gruGrad: FusedOp<NoParams, GruGradOperands> = fused("gruGrad", {
  dtypes: "float",
  abstract: ([recurrent, hidden, gates, dHidden, h0]) => {
    const { dtype } = recurrent;
    const [batch = 0, time = 0] = gates.shape;
    const [units = 0] = recurrent.shape;
    const shape = [batch, time, 3 * Number(units)];
    sequenceSizes({ shape, dtype }, recurrent, 3, "gruGrad");
    checkLike("gruGrad", dtype, [
      ["hidden", hidden, [batch, time, units]],
      ["the gates", gates, [batch, time, 4 * Number(units)]],
      ["the gradient by hidden", dHidden, [batch, time, units]],
      ["h0", h0, [batch, units]],
    ]);
    const steps = { shape, dtype };
    return h0 ? [steps, steps, { shape: [batch, units], dtype }] : [steps, steps];
  },
  decompose: (o, [recurrent, hidden, gates, dHidden, h0]) => {
    const [, time = 0, units = 0] = hidden.shape;
    let dh: Tensor | undefined;
    const [dx, dProduct]: [Tensor[], Tensor[]] = [[], []];
    for (let t = Number(time) - 1; t >= 0; t--) {
      const [z, r, n, p] = gatesOf(o, stepAt(o, gates, t), Number(units)) as [Tensor, Tensor, Tensor, Tensor];
      const before = t > 0 ? stepAt(o, hidden, t - 1) : h0;
      const byHidden = stepAt(o, dHidden, t);
      const h: Tensor = dh ? o.add(byHidden, dh) : byHidden;
      const dn = o.mul(o.mul(h, oneLess(o, z)), oneLess(o, o.square(n)));
      const dz = o.mul(o.mul(h, before ? o.sub(before, n) : o.neg(n)), slopeOfSigmoid(o, z));
      const dr = o.mul(o.mul(dn, p), slopeOfSigmoid(o, r));
      const dp = o.concat([dz, dr, o.mul(dn, r)], { axis: 1 });
      dx.unshift(o.concat([dz, dr, dn], { axis: 1 }));
      dProduct.unshift(dp);
      dh = o.add(productOfTranspose(o, dp, recurrent), o.mul(h, z));
    }
    const all = [stackSteps(o, dx), stackSteps(o, dProduct)];
    return h0 && dh ? [...all, dh] : all;
  },
  samples: () => {
    const operands = (batch: number, time: number, units: number) => [
      values(units, 3 * units),
      values(batch, time, units),
      { ...values(batch, time, 4 * units), low: 0.1, high: 0.9 },
      values(batch, time, units),
    ];
    return [
      { inputs: operands(2, 3, 2), params: noParams },
      { inputs: [...operands(2, 2, 2), values(2, 2)], params: noParams },
      { inputs: operands(0, 2, 1), params: noParams },
    ];
  },
});
