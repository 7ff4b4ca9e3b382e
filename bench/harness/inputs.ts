/** Reproducible inputs: numbers hashed from their position, so that they follow no pattern and need no generator state. */
import type { InputArray } from "./workload.ts";

/** The finalizer of MurmurHash3: every input bit changes every output bit with probability about one half. */
function mix(bits: number): number {
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

// Weyl's increment spreads neighbouring seeds over the whole range.
const bitsAt = (seed: number, index: number): number => mix((index + Math.imul(seed, 0x9e3779b9)) | 0);

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** float32 numbers, uniform in [low, high). */
export function uniform(shape: readonly number[], seed: number, low = 0, high = 1): InputArray<Float32Array> {
  const data = new Float32Array(sizeOf(shape));
  const scale = (high - low) / 2 ** 24;
  for (let index = 0; index < data.length; index += 1)
    data[index] = low + scale * (bitsAt(seed, index) >>> 8);
  return { shape, data };
}

/** Initial weights, uniform in ±√(6 / (fanIn + fanOut)) (Glorot and Bengio 2010); the fans are those of a layer's kernel. */
export function glorot(shape: readonly number[], seed: number): InputArray<Float32Array> {
  const receptiveField = sizeOf(shape.slice(0, -2));
  const limit = Math.sqrt(
    6 / (receptiveField * sizeOf(shape.slice(-2, -1)) + receptiveField * sizeOf(shape.slice(-1))),
  );
  return uniform(shape, seed, -limit, limit);
}

/** Parts of equal value in a class's pattern: coarse enough for convolution and pooling to see it in a few steps. */
const patternParts = 28;

/** Examples and their classes. */
export interface LabelledBatch<X extends Float32Array | Int32Array = Float32Array> {
  readonly x: InputArray<X>;
  readonly labels: InputArray<Int32Array>;
}

/** A batch that can be learnt: each of ten classes has a pattern, and an example is three quarters pattern, one quarter noise. */
export function labelledBatch(shape: readonly number[], seed: number): LabelledBatch {
  const [batch = 0, ...example] = shape;
  const size = sizeOf(example);
  const patterns = uniform([10, patternParts], seed + 1).data;
  const labels = Int32Array.from({ length: batch }, (_, index) => bitsAt(seed + 2, index) % 10);
  const x = uniform(shape, seed);
  x.data.forEach((noise, index) => {
    const label = labels[Math.floor(index / size)] ?? 0;
    const part = Math.floor(((index % size) * patternParts) / size);
    x.data[index] = 0.25 * noise + 0.75 * (patterns[label * patternParts + part] ?? 0);
  });
  return { x, labels: { shape: [batch], data: labels } };
}

/**
 * Sequences of words and the words that follow each. Words are numbers below `vocabulary`, as frequent as Zipf's law has it:
 * the k-th in proportion to 1/k.
 */
export function text(
  shape: readonly [batch: number, time: number],
  vocabulary: number,
  seed: number,
): LabelledBatch<Int32Array> {
  const [batch, time] = shape;
  const wordAt = (index: number): number =>
    Math.floor((vocabulary + 1) ** (bitsAt(seed, index) / 2 ** 32)) - 1;
  const part = (offset: number): InputArray<Int32Array> => ({
    shape,
    data: Int32Array.from({ length: batch * time }, (_, index) =>
      wordAt(index + Math.floor(index / time) + offset),
    ),
  });
  return { x: part(0), labels: part(1) };
}
