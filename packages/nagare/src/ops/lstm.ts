/** Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000) over whole sequences. */
import type { Tensor } from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";
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

type Family = typeof import("./lstm.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** x, the recurrent kernel, and the state before the first step (h0, c0) where it is not zero. */
type LstmOperands = readonly [Tensor, Tensor] | readonly [Tensor, Tensor, Tensor, Tensor];

/** The recurrent kernel, cells, gates, the gradients by hidden and by cells, and c0 where there is one. */
type LstmGradOperands =
  | readonly [Tensor, Tensor, Tensor, Tensor, Tensor]
  | readonly [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];

/** The gates i, f, g, o after their functions, from their sums. */
function lstmGates(o: OpBuilder, sums: Tensor, units: number): [Tensor, Tensor, Tensor, Tensor] {
  const [i, f, g, output] = gatesOf(o, sums, units) as [Tensor, Tensor, Tensor, Tensor];
  return [o.sigmoid(i), o.sigmoid(f), o.tanh(g), o.sigmoid(output)];
}

/**
 * All steps of a layer. x [batch, time, 4·units] is what the inputs add to the gates, the biases included; gates i, f, g, o.
 * With a_t = x_t + h_{t−1}·recurrent: i = σ(a_i), f = σ(a_f), g = tanh(a_g), o = σ(a_o), c_t = f·c_{t−1} + i·g, h_t = o·tanh(c_t).
 * Results: the h_t and the c_t [batch, time, units], and i, f, g, o [batch, time, 4·units]. The time is a number.
 */
export const lstm: FusedOp<NoParams, LstmOperands> = fused("lstm", {
  dtypes: "float",
  abstract: ([x, recurrent, h0, c0]) => {
    const { batch, time, units } = sequenceSizes(x, recurrent, 4, "lstm");
    const state = [batch, units];
    checkLike("lstm", x.dtype, [
      ["the recurrent kernel", recurrent, recurrent.shape],
      ["h0", h0, state],
      ["c0", c0, state],
    ]);
    const steps = { shape: [batch, time, units], dtype: x.dtype };
    return [steps, steps, { shape: x.shape, dtype: x.dtype }];
  },
  decompose: (o, [x, recurrent, h0, c0]) => {
    const { time, units } = sequenceSizes(x, recurrent, 4, "lstm");
    let [h, c] = [h0, c0];
    const [hidden, cells, gates]: [Tensor[], Tensor[], Tensor[]] = [[], [], []];
    for (let t = 0; t < time; t++) {
      const step = stepAt(o, x, t);
      const all = lstmGates(o, h ? o.add(step, product(o, h, recurrent)) : step, units);
      const [i, f, g, output] = all;
      c = c ? o.add(o.mul(f, c), o.mul(i, g)) : o.mul(i, g);
      h = o.mul(output, o.tanh(c));
      hidden.push(h);
      cells.push(c);
      gates.push(o.concat(all, { axis: 1 }));
    }
    return [stackSteps(o, hidden), stackSteps(o, cells), stackSteps(o, gates)];
  },
  vjp: (o, { inputs, outputs, cotangents, wanted }) => {
    const [, recurrent, h0, c0] = inputs;
    const [hidden, cells, gates] = outputs;
    const [dHidden, dCells, dGates] = cotangents;
    if (dGates || !hidden || !cells || !gates) return undefined;
    const given = [orZeros(o, dHidden, hidden), orZeros(o, dCells, cells)] as const;
    const [dx, dh0 = null, dc0 = null] = c0
      ? o.lstmGrad([recurrent, cells, gates, ...given, c0], noParams)
      : o.lstmGrad([recurrent, cells, gates, ...given], noParams);
    if (!dx) return undefined;
    const dRecurrent = wanted[1] ? productOverSteps(o, delayed(o, hidden, h0), dx) : null;
    return c0 ? [dx, dRecurrent, dh0, dc0] : [dx, dRecurrent];
  },
  samples: () => [
    { inputs: [values(2, 3, 8), values(2, 8)], params: noParams },
    { inputs: [values(2, 2, 8), values(2, 8), values(2, 2), values(2, 2)], params: noParams },
    { inputs: [values(3, 1, 4), values(1, 4), values(3, 1), values(3, 1)], params: noParams },
    { inputs: [values(0, 2, 4), values(1, 4)], params: noParams },
  ],
});

/**
 * The cotangents of x and, where a c0 is given, of h0 and c0, from lstm's results and their cotangents: back in time,
 * dc_t = dCells_t + dc·f_{t+1} + dh·o·(1 − tanh² c_t) with dh = dHidden_t + da_{t+1}·recurrentᵀ.
 */
export const lstmGrad: FusedOp<NoParams, LstmGradOperands> = fused("lstmGrad", {
  dtypes: "float",
  abstract: ([recurrent, cells, gates, dHidden, dCells, c0]) => {
    const { batch, units } = sequenceSizes(gates, recurrent, 4, "lstmGrad");
    const state = { shape: [batch, units], dtype: recurrent.dtype };
    const steps = gates.shape.with(2, units);
    checkLike("lstmGrad", recurrent.dtype, [
      ["the cells", cells, steps],
      ["the gates", gates, gates.shape],
      ["the gradient by hidden", dHidden, steps],
      ["the gradient by cells", dCells, steps],
      ["c0", c0, state.shape],
    ]);
    const dx = { shape: gates.shape, dtype: recurrent.dtype };
    return c0 ? [dx, state, state] : [dx];
  },
  decompose: (o, [recurrent, cells, gates, dHidden, dCells, c0]) => {
    const { time, units } = sequenceSizes(gates, recurrent, 4, "lstmGrad");
    let [dh, dc]: (Tensor | undefined)[] = [];
    const dx: Tensor[] = [];
    for (let t = time - 1; t >= 0; t--) {
      const [i, f, g, output] = gatesOf(o, stepAt(o, gates, t), units) as [Tensor, Tensor, Tensor, Tensor];
      const before = t > 0 ? stepAt(o, cells, t - 1) : c0;
      const squashed = o.tanh(stepAt(o, cells, t));
      const [byHidden, byCells] = [stepAt(o, dHidden, t), stepAt(o, dCells, t)];
      const h: Tensor = dh ? o.add(byHidden, dh) : byHidden;
      const through = o.mul(o.mul(h, output), oneLess(o, o.square(squashed)));
      const c: Tensor = o.add(dc ? o.add(byCells, dc) : byCells, through);
      const sums = [
        o.mul(o.mul(c, g), slopeOfSigmoid(o, i)),
        before ? o.mul(o.mul(c, before), slopeOfSigmoid(o, f)) : o.mul(f, 0),
        o.mul(o.mul(c, i), oneLess(o, o.square(g))),
        o.mul(o.mul(h, squashed), slopeOfSigmoid(o, output)),
      ];
      const da = o.concat(sums, { axis: 1 });
      dx.unshift(da);
      [dh, dc] = [productOfTranspose(o, da, recurrent), o.mul(c, f)];
    }
    const all = stackSteps(o, dx);
    return c0 && dh && dc ? [all, dh, dc] : [all];
  },
  samples: () => {
    const operands = (batch: number, time: number, units: number) => [
      values(units, 4 * units),
      values(batch, time, units),
      { ...values(batch, time, 4 * units), low: 0.1, high: 0.9 },
      values(batch, time, units),
      values(batch, time, units),
    ];
    return [
      { inputs: operands(2, 3, 2), params: noParams },
      { inputs: [...operands(2, 2, 2), values(2, 2)], params: noParams },
      { inputs: operands(0, 2, 1), params: noParams },
    ];
  },
});
