/** The cross-entropy of logits and the numbers of classes, and its derivative. */
import {
  type Aval,
  concreteSize,
  DTypeError,
  formatAval,
  formatShape,
  ShapeError,
  sameShape,
  type Tensor,
} from "../core/index.ts";
import type { OpBuilder, Sample } from "../trace/index.ts";
import { type FusedOp, fused, type NoParams, noParams } from "./define/index.ts";
import { besideRows, checkLastAxis, reduceLastAxis, withBatchAxis } from "./lastAxis.ts";

type Family = typeof import("./crossEntropy.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** Throws where the operands do not go together. `perRow` are what there is one of for each row, beside the labels. */
function checkRows(name: string, logits: Aval, labels: Aval, perRow: readonly Aval[]): Aval {
  checkLastAxis(logits, name);
  if (typeof logits.shape.at(-1) !== "number" || logits.shape.at(-1) === 0) {
    throw new ShapeError(
      `${name}: expected logits [..., classes] with a known number of classes, 1 or more; received ${formatAval(logits)}.`,
    );
  }
  if (labels.dtype !== "int32" && labels.dtype !== "int64")
    throw new DTypeError(`${name}: expected labels of int32 or int64; received ${formatAval(labels)}.`);
  const shape = logits.shape.slice(0, -1);
  for (const operand of [labels, ...perRow]) {
    if (sameShape(operand.shape, shape) && (operand === labels || operand.dtype === logits.dtype)) continue;
    throw new ShapeError(
      `${name}: expected one number for each row, ${formatShape(shape)}, beside ${formatAval(logits)}; received ${formatAval(operand)}.`,
    );
  }
  return { shape, dtype: logits.dtype };
}

/** Which logit each label names, and which labels name one. */
function picks(o: OpBuilder, logits: Tensor, labels: Tensor): { chosen: Tensor; known: Tensor } {
  const { dtype } = labels;
  const classes = logits.shape.at(-1) ?? 0;
  const numbers = o.iota({ shape: [classes], dtype, axis: 0 });
  const chosen = o.equal(besideRows(o, labels), numbers);
  const known = o.logicalAnd(o.greaterEqual(labels, 0), o.less(labels, Number(classes)));
  return { chosen, known };
}

function samplesWith(perRow: number): Sample<NoParams>[] {
  return [[2, 3], [2, 2, 19], [5], [0, 3]].map((shape) => {
    const labels = { shape: shape.slice(0, -1), dtype: "int32" as const, low: 0, high: 2 };
    const one = { shape: shape.slice(0, -1), low: 0.5, high: 2 };
    return {
      inputs: [{ shape, low: -2, high: 2 }, labels, ...new Array<typeof one>(perRow).fill(one)],
      params: noParams,
    };
  });
}

/**
 * −ln softmax(logits)[label] for each row, and ln Σ e^logits beside it. logits [..., classes], labels int32 or int64 [...]
 * → [...], [...]. A label that names no class gives NaN, and the derivative 0.
 */
export const softmaxCrossEntropy: FusedOp<NoParams, readonly [Tensor, Tensor]> = fused(
  "softmaxCrossEntropy",
  {
    dtypes: "float",
    abstract: ([logits, labels]) => {
      const perRow = checkRows("softmaxCrossEntropy", logits, labels, []);
      return [perRow, perRow];
    },
    decompose: (o, [logits, labels]) => {
      const { chosen, known } = picks(o, logits, labels);
      const largest = o.stopGradient(reduceLastAxis(o, logits, "reduceMax"), {});
      const below = o.sub(logits, largest);
      const logarithm = o.log(reduceLastAxis(o, o.exp(below), "reduceSum"));
      const axes = [logits.rank - 1];
      const perRow = { shape: labels.shape };
      const picked = o.reduceSum(o.select(chosen, below, 0), { axes });
      return [
        o.select(known, o.sub(o.reshape(logarithm, perRow), picked), Number.NaN),
        o.reshape(o.add(largest, logarithm), perRow),
      ];
    },
    vjp: (o, { inputs: [logits, labels], outputs: [, normalizer], cotangents: [dLoss, dNormalizer] }) => {
      if (!normalizer || !dLoss || dNormalizer) return undefined;
      return [...o.softmaxCrossEntropyGrad([logits, labels, normalizer, dLoss], noParams), null];
    },
    batch: (o, inputs, mapped, _params, size) => {
      const [logits = inputs[0], labels = inputs[1]] = inputs.map((x, i) =>
        withBatchAxis(o, x, mapped[i], size),
      );
      return o.softmaxCrossEntropy([logits, labels], noParams);
    },
    cost: ([logits]) => ({ flops: 5 * concreteSize(logits.shape) }),
    samples: () => samplesWith(0),
  },
);

/**
 * softmaxCrossEntropy's cotangent of the logits: (e^(logits − normalizer) − [class = label])·dloss.
 * logits [..., classes], labels, normalizers and dloss [...] → [..., classes].
 */
export const softmaxCrossEntropyGrad: FusedOp<NoParams, readonly [Tensor, Tensor, Tensor, Tensor]> = fused(
  "softmaxCrossEntropyGrad",
  {
    dtypes: "float",
    abstract: ([logits, labels, normalizer, dLoss]) => {
      checkRows("softmaxCrossEntropyGrad", logits, labels, [normalizer, dLoss]);
      return [{ shape: logits.shape, dtype: logits.dtype }];
    },
    decompose: (o, [logits, labels, normalizer, dLoss]) => {
      const { chosen, known } = picks(o, logits, labels);
      const probabilities = o.exp(o.sub(logits, besideRows(o, normalizer)));
      const apart = o.sub(probabilities, o.convert(chosen, { dtype: logits.dtype }));
      return [o.mul(apart, besideRows(o, o.select(known, dLoss, 0)))];
    },
    batch: (o, inputs, mapped, _params, size) => {
      const [logits = inputs[0], labels = inputs[1], normalizer = inputs[2], dLoss = inputs[3]] = inputs.map(
        (x, i) => withBatchAxis(o, x, mapped[i], size),
      );
      return o.softmaxCrossEntropyGrad([logits, labels, normalizer, dLoss], noParams);
    },
    cost: ([logits]) => ({ flops: 4 * concreteSize(logits.shape) }),
    samples: () => samplesWith(2),
  },
);
