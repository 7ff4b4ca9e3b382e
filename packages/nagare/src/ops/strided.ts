/** What the operations that move elements share. */

/** They are linear in their first operand. */
export const linear = { kind: "joint", operands: [0] } as const;

/** Where tests draw their elements. */
export const sampled = { low: -2, high: 2 };

/** The axes of one example as axes of a batch. */
export const shifted = (axes: readonly number[]): number[] => [0, ...axes.map((axis) => axis + 1)];

/** The element at each output position, found by stepping through the input with one stride for each output axis. */
export function strided(
  data: ArrayLike<number | bigint>,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): (number | bigint)[] {
  const result: (number | bigint)[] = [];
  const walk = (axis: number, at: number): void => {
    if (axis === shape.length) {
      result.push(data[at] ?? 0);
      return;
    }
    for (let i = 0; i < (shape[axis] ?? 0); i++) walk(axis + 1, at + i * (strides[axis] ?? 0));
  };
  walk(0, offset);
  return result;
}
