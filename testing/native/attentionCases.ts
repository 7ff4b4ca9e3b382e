/** Attention beyond the generated samples: several blocks of queries and keys, cut tiles, every kind of mask. */
import { type ConcreteTensor, primitiveByName } from "nagare/backend";
import "nagare";
import { type EngineCase, labeled } from "./shapeCases.ts";
import { randomTensor, seeded } from "./tensors.ts";

interface Sizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly depth: number;
  readonly valueDepth: number;
}

const size = (
  batch: number,
  queries: number,
  keys: number,
  heads: number,
  depth: number,
  valueDepth: number,
): Sizes => ({ batch, queries, keys, heads, depth, valueDepth });

/** Sizes, whether queries, keys and values are packed, and the axes of [batch, heads, queries, keys] that a mask has. */
const cases: readonly (readonly [Sizes, packed: boolean, causal: boolean, mask?: readonly number[]])[] = [
  [size(2, 64, 64, 4, 32, 32), true, true],
  [size(1, 150, 150, 2, 17, 17), true, false],
  [size(1, 130, 300, 1, 20, 33), false, false],
  [size(2, 70, 260, 1, 16, 7), false, true],
  [size(1, 200, 90, 1, 8, 8), false, true],
  [size(3, 1, 300, 2, 24, 16), false, false],
  [size(2, 2, 140, 1, 64, 64), false, false, [0, 3]],
  [size(1, 1, 5, 1, 3, 1), false, true],
  [size(2, 51, 131, 2, 5, 6), false, true, [0, 1, 2, 3]],
  [size(2, 51, 131, 2, 5, 6), false, false, [2, 3]],
  [size(2, 49, 49, 1, 12, 12), true, false, [0, 2]],
  [size(1, 7, 257, 9, 3, 40), false, false, [1, 3]],
  // Columns that tiles share evenly, and cut.
  [size(1, 100, 200, 1, 64, 64), false, true],
  [size(1, 60, 177, 2, 48, 112), false, false, [0, 2, 3]],
];

/** Attention and its gradients; masks of bools and of floats. Of the bools every fifth is false. */
export function largeAttentions(): EngineCase[] {
  const random = seeded(13);
  const draw = (shape: readonly number[], low = -1, high = 1) =>
    randomTensor(random, shape, "float32", low, high);
  const both = (
    operands: ConcreteTensor[],
    { batch, queries, heads, valueDepth }: Sizes,
    causal: boolean,
  ) => {
    const params = { causal, scale: 0.4 };
    const averages = () => draw([batch, queries, heads, valueDepth]);
    const results = [averages(), draw([batch, heads, queries], 3, 6), averages()];
    return [
      labeled(primitiveByName("attention"), operands, params),
      labeled(primitiveByName("attentionGrad"), [...operands, ...results], params),
    ];
  };
  // Of the keys of one block of several, one is no number: queries that see it have no average, the others have one.
  const [queries, unknown, values] = [draw([1, 300, 2, 16]), draw([1, 300, 2, 16]), draw([1, 300, 2, 16])];
  unknown.storage.readSync()[150 * 32 + 3] = Number.NaN;
  const ofNaN = labeled(primitiveByName("attention"), [queries, unknown, values], {
    causal: true,
    scale: 0.4,
  });
  const ofSizes = cases.flatMap(([sizes, packed, causal, axes]) => {
    const { batch, queries, keys, heads, depth, valueDepth } = sizes;
    const sequences = packed
      ? [draw([batch, queries, 3, heads, depth])]
      : [
          draw([batch, queries, heads, depth]),
          draw([batch, keys, heads, depth]),
          draw([batch, keys, heads, valueDepth]),
        ];
    if (!axes) return both(sequences, sizes, causal);
    const shape = [batch, heads, queries, keys].map((extent, axis) => (axes.includes(axis) ? extent : 1));
    const bools = randomTensor(random, shape, "bool", 0, 1);
    bools.storage.readSync().forEach((_, i, elements) => {
      elements[i] = i % 5 === 0 ? 0 : 1;
    });
    return [draw(shape), bools].flatMap((mask) => both([...sequences, mask], sizes, causal));
  });
  return [...ofSizes, ofNaN];
}
