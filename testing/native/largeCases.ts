/** Products and convolutions larger than the blocks that the kernels cut them into. */
import assert from "node:assert/strict";
import * as ng from "nagare";
import { type ConcreteTensor, concreteShape, type DType, isFloat, primitiveByName } from "nagare/backend";
import { type EngineCase, labeled } from "./shapeCases.ts";
import { decoded, randomTensor, seeded } from "./tensors.ts";

/** m, n, k: above and below the blocks of rows, columns and depth; few rows; few columns; a dense layer's three products. */
const products: readonly (readonly [m: number, n: number, k: number])[] = [
  [150, 49, 260],
  [300, 100, 520],
  [1, 1, 20_000],
  [3, 1, 700],
  [7, 3100, 130],
  [3, 2000, 300],
  [2000, 3, 300],
  [13, 10, 1600],
  [530, 10, 128],
  [530, 8, 1300],
  [128, 530, 10],
  [16, 16, 8200],
  // One row of sums, cut along the depth; depths of a slice that eight does not divide.
  [1, 2050, 1030],
  [1, 4096, 523],
  // Few rows with a matrix that no first cache holds: the most sums that are cut so, and one column more.
  [1, 130, 270],
  [2, 300, 401],
  [3, 1365, 259],
  [4, 1024, 300],
  [4, 1025, 300],
  // Rows, or columns, enough for each of two threads to have its own.
  [525, 70, 1100],
  [24, 3109, 40],
  [20, 6500, 60],
  [150, 310, 70],
  [310, 150, 70],
  // Rows of B that are whole lines: its panels are packed by the first tile that meets them; A packed, and where it lies.
  [150, 176, 1100],
  [40, 320, 600],
  [330, 144, 530],
  [21, 96, 1030],
  // A where it lies, whose tiles are lower over wide panels than over the last ones; panels so narrow that all of them stay near.
  [24, 304, 300],
  [70, 32, 64],
  [22, 40, 60],
  // Deep tiles that ask for their place in C before they end: depths of a block that four does not divide.
  [200, 96, 1018],
  // As few rows, and columns, as each of two threads takes for its own.
  [33, 50, 700],
  [24, 64, 700],
  // B in registers, its rows more than one thread's: a part of a vector wide, and a whole one.
  [9000, 3, 5],
  [5000, 16, 16],
  [6000, 11, 9],
  // Dot products so shallow that tiles take their place, and just deep enough.
  [530, 3, 29],
  [530, 3, 31],
  [8, 530, 79],
];

/** m, n, k of products whose factors are widened while they are packed: above and below their blocks. */
const narrowProducts: readonly (readonly [m: number, n: number, k: number])[] = [
  [1030, 50, 100],
  [45, 300, 1700],
  [1, 270, 800],
  [270, 1, 401],
  // Depths that end within a group of elements that are multiplied at once.
  [37, 70, 1543],
  [9, 49, 6],
  // Whole tiles of 32 rows and columns, and parts of them, over several blocks of depth.
  [64, 96, 1700],
  [52, 40, 600],
];

/** Whole numbers that fill the dtype, and fractions. */
const narrowRanges = {
  int8: [-128, 127],
  uint8: [0, 255],
  float16: [-1, 1],
  bfloat16: [-1, 1],
} as const satisfies { readonly [D in DType]?: readonly [number, number] };

/**
 * Images, filters, stride, groups: two layers of a digits network, a depthwise and a strided 1 × 1 convolution, narrow groups,
 * several filters for each channel, rows that fill a cache; small images with many channels, whose filters are cut into panels and
 * blocks of depth.
 */
const convolutions: readonly (readonly [
  x: readonly [number, number, number, number],
  w: readonly [number, number, number, number],
  stride: number,
  groups: number,
])[] = [
  [[2, 29, 31, 3], [3, 3, 3, 37], 1, 1],
  [[2, 13, 13, 32], [3, 3, 32, 64], 1, 1],
  [[1, 40, 41, 24], [3, 3, 1, 24], 2, 24],
  [[2, 21, 19, 64], [1, 1, 64, 70], 2, 1],
  [[2, 23, 25, 32], [3, 3, 4, 32], 1, 8],
  [[1, 20, 21, 48], [3, 3, 1, 96], 2, 48],
  [[2, 39, 41, 20], [3, 3, 1, 60], 1, 20],
  [[1, 40, 70, 260], [5, 4, 1, 260], 1, 260],
  [[1, 8, 9, 5], [3, 2, 1, 40], 1, 5],
  [[1, 14, 14, 96], [3, 3, 96, 104], 1, 1],
  [[1, 6, 8, 700], [1, 1, 700, 75], 1, 1],
  [[3, 7, 7, 130], [3, 3, 65, 132], 2, 2],
  // Groups of a few channels that fill vectors, and that do not.
  [[2, 17, 18, 48], [3, 3, 2, 48], 2, 24],
  [[1, 12, 13, 64], [5, 3, 8, 64], 1, 8],
  [[1, 9, 7, 16], [1, 1, 2, 16], 1, 8],
  [[1, 9, 7, 20], [3, 3, 4, 20], 1, 5],
  // Depthwise rows whose last block of pixels reaches back, by one pixel and by more, and rows shorter than a block.
  [[1, 5, 14, 24], [3, 3, 1, 24], 1, 24],
  [[1, 5, 17, 24], [3, 3, 1, 24], 1, 24],
  [[2, 6, 8, 40], [3, 3, 1, 40], 1, 40],
  [[1, 4, 24, 16], [2, 5, 1, 16], 1, 16],
  [[1, 3, 5, 24], [3, 3, 1, 24], 1, 24],
  // One group as narrow as that, which is a matrix product where pixels are many.
  [[1, 70, 70, 8], [1, 1, 8, 8], 1, 1],
  [[1, 20, 30, 4], [3, 3, 4, 4], 1, 1],
  // Winograd's way: more tiles than filters, and fewer; tiles, vectors and panels that are cut; groups.
  [[2, 45, 38, 20], [3, 3, 20, 21], 1, 1],
  [[5, 9, 10, 40], [3, 3, 40, 90], 1, 1],
  [[1, 24, 23, 96], [3, 3, 48, 96], 1, 2],
];

function drawing(seed: number): (shape: readonly number[]) => ConcreteTensor {
  const random = seeded(seed);
  return (shape) => randomTensor(random, shape, "float32", -1, 1);
}

/** A product with either operand as it is or transposed. */
function inAllOrders(
  [m, n, k]: readonly [number, number, number],
  draw: (shape: readonly number[]) => ConcreteTensor,
  options: { readonly wide?: boolean } = {},
): EngineCase[] {
  return [0, 1, 2, 3].map((flags) => {
    const [transposeA, transposeB] = [flags >= 2, flags % 2 === 1];
    const operands = [draw(transposeA ? [k, m] : [m, k]), draw(transposeB ? [n, k] : [k, n])];
    return labeled(primitiveByName("matmul"), operands, { transposeA, transposeB, ...options });
  });
}

/** Every product, in all orders. */
export function largeProducts(): EngineCase[] {
  const draw = drawing(9);
  return products.flatMap((sizes) => inAllOrders(sizes, draw));
}

/**
 * A product whose results are finished where they are made, compiled, beside the same operations one by one. By a chain: of few rows,
 * shared by rows and by columns, and in slices of the depth. By a bias and an activation. Both also with narrow factors.
 */
export function finishedProducts(): { readonly compiled: ng.Tensor; readonly expected: ng.Tensor }[] {
  const draw = drawing(14);
  const sizes = [
    [3, 500, 70],
    [140, 310, 60],
    [310, 140, 60],
    [70, 600, 530],
    [20, 30, 9000],
    [5000, 7, 5],
  ] as const;
  const shallow = [
    [300, 7, 5],
    [300, 16, 16],
  ] as const;
  const narrow = [
    [64, 64, 900],
    [50, 45, 70],
  ] as const;
  type Finish = (sums: ng.Tensor, factor: ng.Tensor, bias: ng.Tensor) => ng.Tensor;
  const chain: Finish = (sums, factor, bias) => sums.mul(factor).add(bias);
  const epilogue: Finish = (sums, _, bias) => sums.add(bias).relu();
  const both = (dtype: DType, finish: Finish, [m, n, k]: readonly [number, number, number]) => {
    const [x, y, factor, bias] = [draw([m, k]), draw([k, n]), draw([m, n]), draw([n])] as const;
    const finished = (x: ng.Tensor, y: ng.Tensor, factor: ng.Tensor, bias: ng.Tensor): ng.Tensor =>
      finish(x.matmul(y, { dtype: "float32" }), factor, bias);
    const operands = [x.astype(dtype), y.astype(dtype), factor, bias] as const;
    return { compiled: ng.jit(finished)(...operands), expected: finished(...operands) };
  };
  return [
    ...sizes.map((size) => both("float32", chain, size)),
    ...shallow.map((size) => both("float32", epilogue, size)),
    ...[chain, epilogue].flatMap((finish) => narrow.map((size) => both("bfloat16", finish, size))),
  ];
}

/** Products of narrow factors with wider sums, in all orders. */
export function largeNarrowProducts(): EngineCase[] {
  const random = seeded(12);
  return Object.entries(narrowRanges).flatMap(([dtype, [low, high]]) =>
    narrowProducts.flatMap((sizes) =>
      inAllOrders(sizes, (shape) => randomTensor(random, shape, dtype as DType, low, high), { wide: true }),
    ),
  );
}

/** Products of narrow factors of about one and two tile registers of 16 rows of 16 words, in all orders. */
export function narrowEdges(): EngineCase[] {
  const random = seeded(13);
  const sizes = [1, 16, 17, 32, 33, 63];
  return (["int8", "uint8", "bfloat16"] as const).flatMap((dtype) =>
    sizes.flatMap((m) =>
      sizes.flatMap((n) =>
        [1, 31, 64, 129].flatMap((k) => {
          const [low, high] = narrowRanges[dtype];
          return inAllOrders([m, n, k], (shape) => randomTensor(random, shape, dtype, low, high), {
            wide: true,
          });
        }),
      ),
    ),
  );
}

/** Every convolution and its two gradients. */
export function largeConvolutions(): EngineCase[] {
  const draw = drawing(10);
  return convolutions.flatMap(([x, w, stride, groups]) => {
    const params = { strides: [stride, stride], padding: [1, 0, 0, 1], dilation: [1, 1], groups };
    const [image, filter] = [draw(x), draw(w)];
    const conv2d = primitiveByName("conv2d");
    const [result] = conv2d.abstract([image, filter], params);
    const ct = draw(concreteShape(result?.shape ?? []));
    return [
      labeled(conv2d, [image, filter], params),
      labeled(primitiveByName("conv2dInputGrad"), [ct, filter], { ...params, inputShape: x }),
      labeled(primitiveByName("conv2dFilterGrad"), [image, ct], { ...params, filterShape: w }),
    ];
  });
}

/** M·v or, transposed, Mᵀ·v in float64. */
function timesVector(matrix: ConcreteTensor, transposed: boolean, v: Float64Array): Float64Array {
  const [rows = 0, columns = 0] = concreteShape(matrix.shape);
  const elements = matrix.storage.readSync();
  const result = new Float64Array(transposed ? columns : rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const [to, from] = transposed ? [j, i] : [i, j];
      result[to] = (result[to] ?? 0) + decoded(matrix.dtype, elements, i * columns + j) * (v[from] ?? 0);
    }
  }
  return result;
}

/** C = A·B shows in C·v = A·(B·v) for a random v (Freivalds 1977): one wrong element is one wrong sum. */
export function checkProduct({ inputs, params, label }: EngineCase, result: ConcreteTensor): void {
  const [a, b] = inputs as [ConcreteTensor, ConcreteTensor];
  const random = seeded(11);
  // Sums of whole numbers are exact, and so is what is made of them with whole numbers.
  const exact = !isFloat(result.dtype);
  const draw = (): number => (exact ? 1 + Math.floor(100 * random()) : 1 + random());
  const v = Float64Array.from({ length: concreteShape(result.shape)[1] ?? 0 }, draw);
  const actual = timesVector(result, false, v);
  const expected = timesVector(a, params.transposeA === true, timesVector(b, params.transposeB === true, v));
  const depth = concreteShape(a.shape)[params.transposeA === true ? 0 : 1] ?? 0;
  // Rounding adds up like a random walk over the sum; an element that is wrong is so by about 1.
  const allowed = exact ? 0 : 2e-6 * Math.sqrt(depth) * v.length;
  expected.forEach((sum, row) => {
    assert.ok(
      Math.abs(sum - (actual[row] ?? 0)) <= allowed,
      `${label}: row ${row} sums to ${actual[row]}; expected ${sum}`,
    );
  });
}
