/** Keys: where randomness comes from. A key is two words, int32 [2]; the same key gives the same numbers on every backend. */
import {
  ConcreteTensor,
  CpuStorage,
  checkCount,
  type Dim,
  formatAval,
  ShapeError,
  sizeOf,
  Tensor,
  ValueError,
} from "../core/index.ts";
import { builder as o } from "../ops/index.ts";

function words(first: number, second: number): ConcreteTensor<"int32"> {
  return new ConcreteTensor([2], "int32", new CpuStorage(Int32Array.of(first, second)));
}

// Each use of a key reads a stream of its own, so that a key may be split, folded and drawn from without any number
// coming twice. The words are digits of e and of π.
const splitStream = words(0x2b7e1516, 0x28aed2a6);
const foldStream = words(0x243f6a88, 0x05a308d3);
const firstWord = words(1, 0);

/** The lower and upper 32 bits of a whole number. */
function wordsOf(value: number | bigint, where: string): [low: number, high: number] {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new ValueError(
      `${where}: expected a whole number (a safe integer or a bigint); received ${String(value)}.`,
    );
  }
  const bits = BigInt.asUintN(64, BigInt(value));
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}

/** Throws unless `key` is a key. */
export function checkKey(key: Tensor, where: string): void {
  if (key instanceof Tensor && key.dtype === "int32" && key.rank === 1 && key.shape[0] === 2) return;
  const received = key instanceof Tensor ? formatAval(key) : String(key);
  throw new ShapeError(
    `${where}: expected a key, int32[2], made by ng.random.key(seed) or ng.random.split; received ${received}.`,
  );
}

/**
 * The key of a seed: any whole number, of which 64 bits count. int32 [2].
 * @example
 * ng.random.normal(ng.random.key(0), [2, 3]);
 */
export function key(seed: number | bigint): ConcreteTensor<"int32"> {
  return words(...wordsOf(seed, "random.key"));
}

/** `count` keys, int32 [count, 2], of a stream that no draw from the key touches. */
function childKeys(parent: Tensor, count: Dim): Tensor {
  return o.randomBits(o.bitwiseXor(parent, splitStream), { shape: [count, 2] });
}

/**
 * Independent keys out of one: use a key once, and split it first where more are needed.
 * @example
 * const [a, b] = ng.random.split(key);
 */
export function split(parent: Tensor, count = 2): Tensor[] {
  checkKey(parent, "random.split");
  checkCount(count, 1, "random.split, count");
  const children = childKeys(parent, count);
  return Array.from({ length: count }, (_, i) =>
    o.reshape(o.slice(children, { starts: [i, 0], limits: [i + 1, 2], strides: [1, 1] }), { shape: [2] }),
  );
}

/**
 * The key that belongs to a number, such as a step or an example's index: other numbers give independent keys.
 * `data` may be an int32 scalar tensor, so that a jitted step can fold in its counter.
 * @example
 * const stepKey = ng.random.foldIn(key, step);
 */
export function foldIn(parent: Tensor, data: number | bigint | Tensor): Tensor {
  checkKey(parent, "random.foldIn");
  // Two rounds: after the first, keys differ in all bits, so that key ⊕ data does not coincide for other pairs.
  const scattered = o.randomBits(o.bitwiseXor(parent, foldStream), { shape: [2] });
  if (!(data instanceof Tensor)) return mixed(scattered, words(...wordsOf(data, "random.foldIn")));
  if (data.dtype !== "int32" || sizeOf(data.shape) !== 1) {
    throw new ShapeError(
      `random.foldIn: expected a number or an int32 scalar; received ${formatAval(data)}.`,
    );
  }
  return mixed(scattered, o.mul(o.reshape(data, { shape: [1] }), firstWord));
}

function mixed(scattered: Tensor, data: Tensor): Tensor {
  return o.randomBits(o.bitwiseXor(scattered, data), { shape: [2] });
}
