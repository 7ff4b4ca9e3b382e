/** Operands for generated cases, drawn from what a sample says; the same seed gives the same values. */
import {
  allocate,
  ConcreteTensor,
  CpuStorage,
  type DType,
  isFloat,
  type SampleInput,
  writeElement,
} from "nagare/backend";

/** Numbers from 0 up to, not including, 1. */
export type Random = () => number;

/** A generator seeded by a text: FNV-1a into mulberry32. */
export function seededRandom(seed: string): Random {
  let state = 0x811c9dc5;
  for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tensor of the given elements; floats are rounded to the dtype. */
export function tensorOf(
  values: ArrayLike<number | bigint>,
  shape: readonly number[],
  dtype: DType,
): ConcreteTensor {
  const array = allocate(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
  for (let i = 0; i < array.length; i++) writeElement(array, dtype, i, values[i] ?? 0);
  return new ConcreteTensor(shape, dtype, new CpuStorage(array));
}

/** Uniform elements in (low, high): what directions and cotangents are drawn from. */
export function randomTensor(
  random: Random,
  shape: readonly number[],
  dtype: DType,
  low = -1,
  high = 1,
): ConcreteTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensorOf(
    Array.from({ length: size }, () => low + (high - low) * random()),
    shape,
    dtype,
  );
}

function shuffled(count: number, random: Random): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

function integerRange(low: number, high: number, dtype: DType): [number, number] {
  const least = dtype === "uint8" ? 0 : Number.NEGATIVE_INFINITY;
  const [first, last] = [Math.ceil(low), Math.floor(high)];
  if (first > last) return [Math.round(low), Math.round(low)];
  return [Math.max(first, least), Math.max(last, least)];
}

/**
 * The operands of one sample. Values that a sample wants distinct lie on one shuffled grid over all such operands, off
 * its centre, so that no two are equal and none is 0.
 */
export function drawOperands(
  inputs: readonly SampleInput[],
  caseDType: DType,
  random: Random,
): ConcreteTensor[] {
  const sizes = inputs.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  const distinctCount = inputs.reduce((sum, { distinct }, i) => sum + (distinct ? (sizes[i] ?? 0) : 0), 0);
  const order = shuffled(distinctCount, random);
  const computedDType = caseDType === "float16" || caseDType === "bfloat16" ? "float32" : caseDType;
  return inputs.map((input, i) => {
    const { shape, computed, low = -1, high = 1, distinct } = input;
    const { dtype = computed ? computedDType : caseDType } = input;
    const draw = (): number => {
      if (dtype === "bool") return random() < 0.5 ? 0 : 1;
      if (!isFloat(dtype)) {
        const [first, last] = integerRange(low, high, dtype);
        return first + Math.floor(random() * (last - first + 1));
      }
      const part = distinct ? ((order.pop() ?? 0) + 0.37) / distinctCount : random();
      return low + (high - low) * part;
    };
    return tensorOf(Array.from({ length: sizes[i] ?? 0 }, draw), shape, dtype);
  });
}
