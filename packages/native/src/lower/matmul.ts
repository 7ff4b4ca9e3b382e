/** Matrix products: the strides of both factors and of the result, and the loops around them. */
import {
  bytesPerElement,
  type MatrixStorage,
  matrixStorage,
  type Node,
  type Reading,
  type View,
} from "nagare/backend";
import type { Place } from "../instructions.ts";
import { chainAfter } from "./chain.ts";
import { writeFinish } from "./elementwise.ts";
import { type LoweringContext, type Product, productOf, sizes, writeEpilogue } from "./lowering.ts";

function storageOf(view: View): MatrixStorage {
  const storage = matrixStorage(view);
  if (!storage)
    throw new TypeError(`matmul: expected rows that are contiguous; received the strides [${view.strides}].`);
  return storage;
}

interface Loop {
  readonly size: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** The loops around the matrices, joined where all three step on evenly. Axes that a factor repeats have the stride 0. */
function loopsAround(a: View, b: View, c: View): Loop[] {
  const leading = c.shape.slice(0, -2);
  const strides = ({ shape, strides }: View): number[] => {
    const missing = leading.length - (shape.length - 2);
    return leading.map((_, axis) =>
      axis < missing || shape[axis - missing] === 1 ? 0 : (strides[axis - missing] ?? 0),
    );
  };
  const [ofA, ofB, ofC] = [strides(a), strides(b), strides(c)];
  const loops: Loop[] = [];
  leading.forEach((size, axis) => {
    if (size === 1) return;
    const step = { size, a: ofA[axis] ?? 0, b: ofB[axis] ?? 0, c: ofC[axis] ?? 0 };
    const last = loops.at(-1);
    const joins = last && last.a === step.a * size && last.b === step.b * size && last.c === step.c * size;
    if (joins) loops[loops.length - 1] = { ...step, size: last.size * size };
    else loops.push(step);
  });
  return loops;
}

/** A product as a kernel carries it out: C, or for a result that is written by columns Cᵀ = op(B)ᵀ·op(A)ᵀ. */
interface Orientation {
  readonly m: number;
  readonly n: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly distances: readonly [number, number, number];
  readonly swapped: boolean;
}

function orient(a: View, b: View, c: View, flags: readonly [boolean, boolean]): Orientation {
  const [m = 1, n = 1] = c.shape.slice(-2);
  const [ofA, ofB, ofC] = [storageOf(a), storageOf(b), storageOf(c)];
  const [transposeA, transposeB] = [flags[0] !== ofA.transposed, flags[1] !== ofB.transposed];
  if (!ofC.transposed) {
    const distances = [ofA.distance, ofB.distance, ofC.distance] as const;
    return { m, n, transposeA, transposeB, distances, swapped: false };
  }
  return {
    m: n,
    n: m,
    transposeA: !transposeB,
    transposeB: !transposeA,
    distances: [ofB.distance, ofA.distance, ofC.distance],
    swapped: true,
  };
}

/** Narrower factors are read where they lie, and so are those that fit the cache that is nearest. */
const leastPackedColumns = 64;
const leastPackedBytes = 1 << 16;

/**
 * The right factor as the kernel packs it, if it is a constant and one matrix for all products. The layout depends on its shape
 * alone, so that programs for any number of rows share it.
 */
function packedFactor(
  { value, view }: Reading,
  [k, n]: readonly [number, number],
  transposed: boolean,
  distance: number,
  context: LoweringContext,
): Place | undefined {
  const { dtype } = value;
  const bytes = bytesPerElement(dtype);
  const isFloat = dtype === "float32" || dtype === "float64";
  if (!isFloat || n < leastPackedColumns || k * n * bytes < leastPackedBytes) return undefined;
  return context.prepared(value, {
    dtype,
    write: (writer, from, to) =>
      writer.instruction("packMatrix", () => {
        writer.dtype(dtype);
        writer.wides([k, n]);
        writer.flag(transposed);
        writer.wide(distance);
        writer.place({ base: from.base, offset: from.offset + bytes * view.offset });
        writer.place(to);
      }),
  });
}

/** Whether a chain over the finished sums follows, and the chain. */
function writeChain(node: Node, { sum, rest, result }: Product, context: LoweringContext): void {
  context.writer.flag(rest.length > 0);
  if (!node.body || rest.length === 0) return;
  writeFinish(chainAfter(node, node.body, sum, rest, context), sum, sizes(result), context);
}

export function lowerMatmul(node: Node, context: LoweringContext): void {
  const { writer, place } = context;
  const multiplication = productOf(node);
  const { a, b, result, written, params } = multiplication;
  const flags = [Boolean(params.transposeA), Boolean(params.transposeB)] as const;
  const k = a.view.shape.at(flags[0] ? -2 : -1) ?? 1;
  const { m, n, transposeA, transposeB, distances, swapped } = orient(a.view, b.view, written, flags);
  const factors: readonly Reading[] = swapped ? [b, a] : [a, b];
  const loops = loopsAround(a.view, b.view, written).map((loop) =>
    swapped ? { ...loop, a: loop.b, b: loop.a } : loop,
  );
  // The kernel has two loops; further ones, which only broadcasts in the middle make, become instructions of their own.
  const still = { size: 1, a: 0, b: 0, c: 0 };
  const [inner, outer] = [loops.at(-1) ?? still, loops.at(-2) ?? still];
  // Narrow factors have wider sums; both have one dtype.
  const dtype = a.value.dtype;
  const [bytesOfFactor, bytesOfSum] = [bytesPerElement(dtype), bytesPerElement(result.dtype)];
  const right = swapped ? a : b;
  const isOne = loops.every((loop) => loop.b === 0);
  const packed = isOne ? packedFactor(right, [k, n], transposeB, distances[1], context) : undefined;
  const at = ({ value, view }: Reading, further: number): Place => {
    const { base, offset } = place(value);
    return { base, offset: offset + bytesOfFactor * (view.offset + further) };
  };
  const write = (offsetA: number, offsetB: number, offsetC: number): void => {
    writer.instruction("matmul", () => {
      writer.dtype(dtype);
      writer.wides([m, n, k]);
      writer.flag(transposeA);
      writer.flag(transposeB);
      writer.flag(packed !== undefined);
      writer.wides(distances);
      for (const { size, a, b, c } of [inner, outer]) writer.wides([size, a, b, c]);
      writeEpilogue(multiplication, ["bias"], context, () => {
        factors.forEach((factor, i) => {
          writer.place((i === 1 && packed) || at(factor, i === 0 ? offsetA : offsetB));
        });
        const { base, offset } = place(result);
        writer.place({ base, offset: offset + bytesOfSum * offsetC });
      });
      writeChain(node, multiplication, context);
    });
  };
  const walk = (rest: readonly Loop[], offsetA: number, offsetB: number, offsetC: number): void => {
    const [loop, ...others] = rest;
    if (!loop) write(offsetA, offsetB, offsetC);
    else
      for (let i = 0; i < loop.size; i++)
        walk(others, offsetA + i * loop.a, offsetB + i * loop.b, offsetC + i * loop.c);
  };
  walk(loops.slice(0, -2), 0, 0, 0);
}
