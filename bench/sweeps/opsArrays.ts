/** The sweep's elementwise operations, reductions, movements and products. */
import * as ng from "nagare";
import { type F, floats, integers, type Operand, type Operation, positive } from "./opsOperation.ts";

const [small, medium, large] = [10_000, 1_000_000, 2 ** 24];
const everySize = [[floats(100, 100)], [floats(1000, 1000)], [floats(4096, 4096)]];
const twoSizes = everySize.slice(0, 2);
const square = [[floats(1000, 1000)]];
const images = [[floats(32, 56, 56, 64)]];

const of = (sizes: readonly (readonly Operand[])[], f: F): Operation => ({ f, sizes });
const line = (f: F, sizes: readonly number[] = [medium]): Operation =>
  of(
    sizes.map((size) => [floats(size)]),
    f,
  );
const pair = (f: F, sizes: readonly number[] = [medium], operand = floats): Operation =>
  of(
    sizes.map((size) => [operand(size), operand(size)]),
    f,
  );
const integerPair = (f: F): Operation => pair(f, [medium], (size) => integers(1000, size));

const elementwise: Readonly<Record<string, Operation>> = {
  add: pair((x, y) => x.add(y), [small, medium, large]),
  div: pair((x, y) => x.div(y), [medium], positive),
  maximum: pair((x, y) => x.maximum(y)),
  power: pair((x, y) => x.pow(y), [medium], positive),
  mulAdd: of([[floats(medium), floats(medium), floats(medium)]], (x, y, z) => x.mul(y).add(z)),
  addScalar: line((x) => x.add(1), [small, large]),
  relu: line((x) => x.relu(), [small, medium, large]),
  exp: line((x) => x.exp(), [small, medium]),
  tanh: line((x) => x.tanh(), [medium, large]),
  sigmoid: line((x) => x.sigmoid()),
  silu: line((x) => x.silu()),
  gelu: { ...line((x) => x.gelu(), [small, medium]), gradient: true },
  softplus: line((x) => x.softplus()),
  sin: line((x) => x.sin()),
  erf: line((x) => x.erf()),
  log: of([[positive(medium)]], (x) => x.log()),
  rsqrt: of([[positive(medium)]], (x) => x.rsqrt()),
  abs: line((x) => x.abs()),
  clip: line((x) => x.clip(-0.5, 0.5)),
  addRow: of([[floats(1000, 1000), floats(1000)]], (x, y) => x.add(y)),
  addColumn: of([[floats(1000, 1000), floats(1000, 1)]], (x, y) => x.add(y)),
  outerSum: of([[floats(1000, 1), floats(1, 1000)]], (x, y) => x.add(y)),
  scaleChannels: of([[floats(32, 56, 56, 64), floats(64), floats(64)]], (x, y, z) => x.mul(y).add(z)),
  where: pair((x, y) => ng.where(x.greater(0), x, y)),
  greater: pair((x, y) => x.greater(y)),
  logicalAnd: pair((x, y) => ng.logicalAnd(x.greater(0), y.less(0.5))),
  intAdd: integerPair((x, y) => x.add(y)),
  intMul: integerPair((x, y) => x.mul(y)),
  intMaximum: integerPair((x, y) => x.maximum(y)),
  intToFloat: of([[integers(1000, medium)]], (x) => x.astype("float32")),
  floatToInt: line((x) => x.mul(100).astype("int32")),
  causalMask: of(square, (x) =>
    ng.where(ng.iota([1000, 1], "int32", 0).greaterEqual(ng.iota([1, 1000], "int32", 1)), x, -1e9),
  ),
};

const reductions: Readonly<Record<string, Operation>> = {
  sumAll: of(everySize, (x) => x.sum()),
  sumFirst: of([...everySize, [floats(100_000, 16)], [floats(16, 100_000)]], (x) => x.sum({ axis: 0 })),
  sumLast: of([...everySize, [floats(250_000, 4)], [floats(16, 100_000)]], (x) => x.sum({ axis: -1 })),
  sumMiddle: of([[floats(20, 25, 20)], [floats(100, 100, 100)], [floats(16, 1024, 1024)]], (x) =>
    x.sum({ axis: 1 }),
  ),
  sumChannels: of(images, (x) => x.sum({ axis: [0, 1, 2] })),
  meanSpatial: of([...images, [floats(32, 7, 7, 512)]], (x) => x.mean({ axis: [1, 2] })),
  maxAll: of(twoSizes, (x) => x.max()),
  maxFirst: of(square, (x) => x.max({ axis: 0 })),
  maxLast: of(everySize, (x) => x.max({ axis: -1 })),
  minMiddle: of([[floats(100, 100, 100)]], (x) => x.min({ axis: 1 })),
  prodLast: of(square, (x) => x.div(100).add(1).prod({ axis: -1 })),
  argMaxLast: of([...twoSizes, [floats(10_000, 10)]], (x) => x.argMax({ axis: -1 })),
  argMaxFirst: of(twoSizes, (x) => x.argMax({ axis: 0 })),
  varianceLast: of(everySize, (x) => x.variance({ axis: -1 })),
  varianceFirst: of(square, (x) => x.variance({ axis: 0 })),
  varianceAll: of(square, (x) => x.variance()),
  normAll: of(twoSizes, (x) => x.norm()),
  normLast: of(square, (x) => x.norm({ axis: -1 })),
  logSumExpLast: of(twoSizes, (x) => x.logSumExp({ axis: -1 })),
  logSumExpFirst: of(square, (x) => x.logSumExp({ axis: 0 })),
  anyLast: of(square, (x) => x.greater(0.999).any({ axis: -1 })),
  countPositive: of(square, (x) => x.greater(0).astype("int32").sum()),
  intSumLast: of([[integers(1000, 1000, 1000)]], (x) => x.sum({ axis: -1 })),
  meanSquaredError: {
    ...pair((x, y) => x.sub(y).square().mean(), [small, medium]),
    gradient: true,
    result: () => [],
  },
};

const movements: Readonly<Record<string, Operation>> = {
  transpose: of([...everySize, [floats(100_000, 16)], [floats(16, 100_000)], [floats(333_333, 3)]], (x) =>
    x.transpose(),
  ),
  toChannelsFirst: of([...images, [floats(32, 224, 224, 3)]], (x) =>
    x.transpose([0, 3, 1, 2]).reshape([x.shape[0] as number, x.shape[3] as number, -1]),
  ),
  toChannelsLast: of([[floats(32, 64, 56, 56)], [floats(32, 3, 224, 224)]], (x) =>
    x.transpose([0, 2, 3, 1]).reshape([x.shape[0] as number, -1, x.shape[1] as number]),
  ),
  splitHeads: of([[floats(8, 512, 8, 64)]], (x) => x.transpose([0, 2, 1, 3]).reshape([8, 8, -1])),
  reverseAxes: of([[floats(100, 100, 100)]], (x) => x.transpose()),
  swapFirstAxes: of([[floats(100, 100, 100)]], (x) => x.transpose([1, 0, 2])),
  concatFirst: of([[floats(500, 1000), floats(500, 1000)]], (x, y) => ng.concat([x, y])),
  concatLast: of(
    [
      [floats(1000, 500), floats(1000, 500)],
      [floats(100_000, 3), floats(100_000, 5)],
    ],
    (x, y) => ng.concat([x, y], { axis: 1 }),
  ),
  stackLast: pair((x, y) => ng.stack([x, y], { axis: -1 })),
  sliceRows: of(square, (x) => x.slice([100, 900])),
  sliceColumns: of([...square, [floats(4096, 4096)]], (x) => x.slice(null, [100, 900])),
  everyOtherRow: of(square, (x) => x.slice([0, null, 2])),
  everyOtherColumn: of(square, (x) => x.slice(null, [0, null, 2])),
  pad: of([[floats(100, 100)], [floats(1000, 1000)]], (x) => x.pad(1)),
  padImages: of(images, (x) => x.pad([0, 1, 1, 0])),
  flipFirst: of(square, (x) => x.flip(0)),
  flipLast: of(square, (x) => x.flip(1)),
  tile: of([[floats(500, 500)]], (x) => x.tile([2, 2])),
  repeatRows: of([[floats(500, 1000)]], (x) => x.repeat(2, 0)),
  repeatColumns: of([[floats(1000, 500)]], (x) => x.repeat(2, 1)),
  broadcastRow: of([[floats(1000)]], (x) => x.broadcastTo([1000, 1000])),
  upsample: of([[floats(8, 28, 28, 64)]], (x) => x.repeat(2, 1).repeat(2, 2)),
  takeRows: {
    ...of(
      [
        [floats(1000, 16), integers(1000, 625)],
        [floats(10_000, 64), integers(10_000, 16_384)],
        [floats(30_000, 384), integers(30_000, 4096)],
      ],
      (x, i) => x.take(i, { axis: 0 }),
    ),
    gradient: true,
    result: (x, i) => [i?.[0] ?? 0, x?.[1] ?? 0],
  },
  takeElements: of([[floats(medium), integers(medium, medium)]], (x, i) => x.take(i, { axis: 0 })),
  takeColumns: of([[floats(1000, 1000), integers(1000, 500)]], (x, i) => x.take(i, { axis: 1 })),
  takeAlongLast: {
    ...of([[floats(1000, 1000), integers(1000, 1000, 100)]], (x, i) => x.takeAlongAxis(i, -1)),
    gradient: true,
    result: () => [1000, 100],
  },
  takeAlongFirst: of([[floats(1000, 1000), integers(1000, 100, 1000)]], (x, i) => x.takeAlongAxis(i, 0)),
  segmentSum: {
    ...of([[floats(1000), integers(1000, medium)]], (x, i) => x.take(i, { axis: 0 })),
    gradient: "only",
    result: () => [medium],
  },
  oneHot: of([[integers(1000, 10_000)]], (i) => ng.oneHot(i, 1000)),
};

const dense = (f: F, m: number, k: number, n: number): Operation => ({
  ...of([[floats(m, k), floats(k, n), floats(n)]], f),
  gradient: true,
  result: () => [m, n],
});

const products: Readonly<Record<string, Operation>> = {
  matmul: of(
    [
      [floats(33, 127), floats(127, 65)],
      [floats(7, 1000), floats(1000, 1000)],
      [floats(1000, 1000), floats(1000, 7)],
      [floats(100_000, 16), floats(16, 16)],
      [floats(16, 100_000), floats(100_000, 16)],
      [floats(1, 768), floats(768, 3072)],
      [floats(500, 500), floats(500, 500)],
    ],
    (x, y) => x.matmul(y),
  ),
  batchedMatmul: of(
    [
      [floats(64, 64, 64), floats(64, 64, 64)],
      [floats(1000, 16, 16), floats(1000, 16, 16)],
    ],
    (x, y) => x.matmul(y),
  ),
  queriesByKeys: of([[floats(8, 256, 8, 32), floats(8, 256, 8, 32)]], (q, k) =>
    q
      .transpose([0, 2, 1, 3])
      .matmul(k.transpose([0, 2, 3, 1]))
      .reshape([8, 8, -1]),
  ),
  denseRelu: dense((x, w, b) => x.matmul(w).add(b).relu(), 128, 784, 512),
  denseGelu: dense((x, w, b) => x.matmul(w).add(b).gelu(), 1024, 384, 1536),
};

export const arrayOperations: Readonly<Record<string, Operation>> = {
  ...elementwise,
  ...reductions,
  ...movements,
  ...products,
};
