/** Operations on random shapes: odd sizes, none, several tiles, several tasks. The same seed gives the same cases. */
import {
  type ConcreteTensor,
  concreteShape,
  type DType,
  dtypes,
  type Params,
  type Primitive,
  primitiveByName,
  primitives,
} from "nagare/backend";
import "nagare";
import { type Random, randomTensor, seeded } from "./tensors.ts";

/** One operation on operands; `label` names it in a failure. */
export interface EngineCase {
  readonly op: Primitive;
  readonly inputs: readonly ConcreteTensor[];
  readonly params: Params;
  readonly label: string;
}

/** Says what a case is: operation, operands, parameters. */
export function labeled(op: Primitive, inputs: readonly ConcreteTensor[], params: Params): EngineCase {
  const operands = inputs.map(({ dtype, shape }) => `${dtype}[${shape.join(", ")}]`);
  const shown = JSON.stringify(params, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
  return { op, inputs, params, label: `${op.name}(${operands.join(", ")}) ${shown}` };
}

/** Around the widths of vectors, tiles and blocks. */
const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 33, 48, 63, 65, 100, 255, 257, 511, 513, 1030];

function below(random: Random, count: number): number {
  return Math.floor(random() * count);
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)] as T;
}

/** A size up to `limit`; now and then 0. */
function sizeUpTo(random: Random, limit: number): number {
  if (random() < 0.03) return 0;
  return Math.min(limit, pick(random, sizes));
}

/** Sizes whose product is at most `limit`, or a little more. */
function shapeOf(random: Random, rank: number, limit: number): number[] {
  let left = limit;
  return Array.from({ length: rank }, () => {
    const size = sizeUpTo(random, left);
    left = Math.max(1, Math.floor(left / Math.max(1, size)));
    return size;
  });
}

/** The shape with some of its sizes 1 and some of its first axes left out. */
function broadcastable(random: Random, shape: readonly number[]): number[] {
  const kept = random() < 0.7 ? shape : shape.slice(below(random, shape.length + 1));
  return kept.map((size) => (random() < 0.3 ? 1 : size));
}

/** Most cases are small; one in eight keeps several threads busy. */
function elementsOf(random: Random): number {
  return random() < 0.125 ? 150_000 : 4_000;
}

function subset(random: Random, count: number): number[] {
  const chosen = Array.from({ length: count }, (_, axis) => axis).filter(() => random() < 0.5);
  return chosen.length > 0 || count === 0 ? chosen : [below(random, count)];
}

function shuffled(random: Random, count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = below(random, i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

type Family = (random: Random) => EngineCase | undefined;

function caseOf(name: string, inputs: readonly ConcreteTensor[], params: Params = {}): EngineCase {
  return labeled(primitiveByName(name), inputs, params);
}

const scalarOps = primitives().filter((op) => op.scalar);

/** An elementwise operation, its operands broadcast to one shape and drawn from the range of its own samples. */
const elementwise: Family = (random) => {
  const op = pick(random, scalarOps);
  const dtype = pick(random, op.dtypes);
  const shape = shapeOf(random, below(random, 5), elementsOf(random));
  const [sample] = op.samples();
  const inputs = (sample?.inputs ?? []).map((input, i) => {
    const kind = input.dtype ?? dtype;
    const low = kind === "uint8" ? Math.max(0, input.low ?? 0) : (input.low ?? -1);
    const own = i === 0 ? shape : broadcastable(random, shape);
    return randomTensor(
      random,
      own,
      kind,
      kind === "bool" ? 0 : low,
      kind === "bool" ? 1 : (input.high ?? 1),
    );
  });
  return labeled(op, inputs, {});
};

const convert: Family = (random) => {
  const from = pick(random, dtypes);
  const shape = shapeOf(random, below(random, 3), elementsOf(random));
  const bounds: [number, number] = from === "bool" ? [0, 1] : from === "uint8" ? [0, 255] : [-100, 100];
  return caseOf("convert", [randomTensor(random, shape, from, ...bounds)], { dtype: pick(random, dtypes) });
};

const reduction: Family = (random) => {
  const name = pick(random, ["reduceSum", "reduceProd", "reduceMax", "reduceMin", "argMax", "argMin"]);
  const op = primitiveByName(name);
  const dtype = pick(random, op.dtypes);
  const shape = shapeOf(random, 1 + below(random, 4), elementsOf(random));
  const axes = name.startsWith("arg") ? [below(random, shape.length)] : subset(random, shape.length);
  const extremes = name !== "reduceSum" && name !== "reduceProd";
  if (extremes && axes.some((axis) => shape[axis] === 0)) return undefined;
  const bounds: [number, number] =
    name === "reduceProd" && dtype !== "bool"
      ? [1, 1]
      : dtype === "uint8" || dtype === "bool"
        ? [0, 1]
        : [-1, 1];
  const params = name.startsWith("arg") ? { axis: axes[0] ?? 0 } : { axes };
  return labeled(op, [randomTensor(random, shape, dtype, ...bounds)], params);
};

const movement: Family = (random) => {
  const dtype = pick(random, dtypes);
  const rank = 1 + below(random, 4);
  const shape = shapeOf(random, rank, elementsOf(random));
  const x = randomTensor(random, shape, dtype, 0, dtype === "bool" ? 1 : 100);
  const each = (draw: (size: number) => number) => shape.map(draw);
  switch (below(random, 6)) {
    case 0:
      return caseOf("transpose", [x], { permutation: shuffled(random, rank) });
    case 1:
      return caseOf("flip", [x], { axes: subset(random, rank) });
    case 2: {
      const starts = each((size) => below(random, size + 1));
      const limits = each((size) => size).map((size, axis) => {
        const start = starts[axis] ?? 0;
        return start + below(random, size - start + 1);
      });
      return caseOf("slice", [x], { starts, limits, strides: each(() => 1 + below(random, 3)) });
    }
    case 3:
      return caseOf("pad", [x], {
        low: each(() => below(random, 3)),
        high: each(() => below(random, 3)),
        interior: each(() => below(random, 2)),
        value: dtype === "bool" ? 1 : 3,
      });
    case 4: {
      const axis = below(random, rank);
      const others = Array.from({ length: below(random, 3) }, () =>
        randomTensor(random, shape.with(axis, below(random, 5)), dtype, 0, 1),
      );
      return caseOf("concat", [x, ...others], { axis });
    }
    default: {
      const narrow = broadcastable(random, shape);
      return caseOf("broadcastTo", [randomTensor(random, narrow, dtype, 0, 1)], { shape });
    }
  }
};

const indexing: Family = (random) => {
  const shape = shapeOf(random, 1 + below(random, 3), elementsOf(random) / 4);
  const axis = below(random, shape.length);
  const size = shape[axis] ?? 0;
  if (size === 0) return undefined;
  const batchAxes = random() < 0.3 ? axis : 0;
  const picks = [...shape.slice(0, batchAxes), ...shapeOf(random, below(random, 2), 20)];
  const indices = randomTensor(random, picks, pick(random, ["int32", "int64"] as const), 0, size - 1);
  if (random() < 0.5) {
    const x = randomTensor(random, shape, pick(random, dtypes), 0, 1);
    return caseOf("gather", [x, indices], { axis, batchAxes });
  }
  const op = primitiveByName("scatterAdd");
  const picked = [...shape.slice(0, axis), ...picks.slice(batchAxes), ...shape.slice(axis + 1)];
  // Whole numbers, whose sums are exact in every dtype.
  const ones = randomTensor(random, picked, "int8", 0, 1);
  const ct = randomTensor(random, picked, pick(random, op.dtypes), 1, 1);
  return labeled(op, [ct.dtype === "int8" ? ones : ct, indices], { axis, batchAxes, size });
};

const product: Family = (random) => {
  const op = primitiveByName("matmul");
  const dtype = random() < 0.5 ? "float32" : pick(random, op.dtypes);
  const [m = 1, n = 1, k = 1] = shapeOf(random, 3, random() < 0.1 ? 500_000 : 40_000);
  const [transposeA, transposeB] = [random() < 0.5, random() < 0.5];
  const batch = shapeOf(random, random() < 0.6 ? 0 : 1 + below(random, 2), 8);
  const a = [...broadcastable(random, batch), ...(transposeA ? [k, m] : [m, k])];
  const b = [...broadcastable(random, batch), ...(transposeB ? [n, k] : [k, n])];
  const low = dtype === "uint8" ? 0 : -1;
  const operands = [randomTensor(random, a, dtype, low, 1), randomTensor(random, b, dtype, low, 1)];
  return labeled(op, operands, { transposeA, transposeB, ...(random() < 0.4 ? { wide: true } : {}) });
};

/** Windows over an axis of `size`: how large, how far apart, how much is padded in front and behind. */
function windowOf(random: Random, size: number) {
  const taps = 1 + below(random, 4);
  const dilation = 1 + below(random, 3);
  const reach = (taps - 1) * dilation + 1;
  const low = below(random, 3);
  const high = Math.max(0, reach - size - low) + below(random, 3);
  // Strides wider than anything: one window, however far apart the others would be.
  const stride = random() < 0.05 ? 2 ** 30 : 1 + below(random, 3);
  return { taps, dilation, stride, low, high };
}

function images(random: Random, channels: number): number[] {
  const largest = random() < 0.2 ? 24 : 9;
  return [1 + below(random, 4), 1 + below(random, largest), 1 + below(random, largest), channels];
}

const convolution: Family = (random) => {
  const dtype = random() < 0.7 ? "float32" : pick(random, ["float64", "float16", "bfloat16"] as const);
  const groups = pick(random, [1, 1, 1, 2, 3, 6, 17]);
  const depthwise = groups > 1 && random() < 0.5;
  const [taken, filters] = depthwise
    ? [1, groups]
    : [1 + below(random, 9), groups * (1 + below(random, pick(random, [3, 20])))];
  const x = images(random, taken * groups);
  const [rows, columns] = [windowOf(random, x[1] ?? 1), windowOf(random, x[2] ?? 1)];
  const w = [rows.taps, columns.taps, taken, filters];
  const params = {
    strides: [rows.stride, columns.stride] as const,
    padding: [rows.low, rows.high, columns.low, columns.high] as const,
    dilation: [rows.dilation, columns.dilation] as const,
    groups,
  };
  const draw = (shape: readonly number[]) => randomTensor(random, shape, dtype, -1, 1);
  const [image, filter] = [draw(x), draw(w)];
  const conv2d = primitiveByName("conv2d");
  const [result] = conv2d.abstract([image, filter], params);
  const ct = draw(concreteShape(result?.shape ?? []));
  switch (below(random, 3)) {
    case 0:
      return labeled(conv2d, [image, filter], params);
    case 1:
      return caseOf("conv2dInputGrad", [ct, filter], { ...params, inputShape: x });
    default:
      return caseOf("conv2dFilterGrad", [image, ct], { ...params, filterShape: w });
  }
};

const pooling: Family = (random) => {
  const dtype: DType = pick(random, ["float32", "float32", "float64", "float16", "bfloat16"] as const);
  const shape = images(random, pick(random, [1, 3, 6, 8, 17, 24, 31, 33]));
  const [rows, columns] = [windowOf(random, shape[1] ?? 1), windowOf(random, shape[2] ?? 1)];
  // Padding is less than the window, so that every window sees a cell.
  const padding = [rows, columns].flatMap(({ taps, low, high }) => [
    Math.min(low, taps - 1),
    Math.min(high, taps - 1),
  ]);
  const fits = [rows, columns].every(
    ({ taps }, i) => (shape[1 + i] ?? 0) + (padding[2 * i] ?? 0) + (padding[2 * i + 1] ?? 0) >= taps,
  );
  if (!fits) return undefined;
  const params = { window: [rows.taps, columns.taps], strides: [rows.stride, columns.stride], padding };
  const draw = (own: readonly number[]) => randomTensor(random, own, dtype, -1, 1);
  const x = draw(shape);
  const [result] = primitiveByName("maxPool2d").abstract([x], params);
  const ct = draw(concreteShape(result?.shape ?? []));
  const countPadding = random() < 0.5;
  switch (below(random, 5)) {
    case 0:
      return caseOf("maxPool2d", [x], params);
    case 1:
      return caseOf("maxPool2dSelect", [draw(shape), x], params);
    case 2:
      return caseOf("maxPool2dScatter", [ct, x], params);
    case 3:
      return caseOf("avgPool2d", [x], { ...params, countPadding });
    default:
      return caseOf("avgPool2dGrad", [ct], { ...params, countPadding, inputShape: shape });
  }
};

const creation: Family = (random) => {
  const shape = shapeOf(random, 1 + below(random, 3), elementsOf(random));
  const count = below(random, 4);
  switch (below(random, 3)) {
    case 0:
      return caseOf("full", [], { shape, dtype: pick(random, primitiveByName("full").dtypes), value: 1 });
    case 1: {
      const dtype = pick(random, primitiveByName("iota").dtypes);
      return caseOf("iota", [], { shape, dtype, axis: below(random, shape.length) });
    }
    default:
      return caseOf("randomBits", [randomTensor(random, [count, 2], "int32", -2e9, 2e9)], { shape });
  }
};

const families: readonly Family[] = [
  elementwise,
  elementwise,
  convert,
  reduction,
  movement,
  indexing,
  product,
  convolution,
  convolution,
  pooling,
  creation,
];

/** `count` cases, from all families in turn. */
export function shapeCases(seed: number, count: number): EngineCase[] {
  const random = seeded(seed);
  const cases: EngineCase[] = [];
  for (let i = 0; cases.length < count; i++) {
    const drawn = families[i % families.length]?.(random);
    if (drawn) cases.push(drawn);
  }
  return cases;
}
