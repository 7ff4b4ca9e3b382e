/** The window options that users write, shared by the functions on images and the layers. */
import { ValueError } from "../core/index.ts";

/** One number for height and width, or one for each. */
export type PairOption = number | readonly [number, number];

/**
 * "valid": windows lie inside the image; "same": the result has ⌈size / stride⌉ positions, the odd cell going to the
 * bottom and the right, as in TensorFlow; or cells as [top, bottom, left, right].
 */
export type PaddingOption = "valid" | "same" | readonly [number, number, number, number];

/** Height and width of an option. Throws ValueError unless they are whole numbers from 1 up. */
export function pairOf(option: PairOption, where: string): readonly [number, number] {
  const both = typeof option === "number" ? ([option, option] as const) : option;
  if (both.length !== 2 || !both.every((n) => Number.isSafeInteger(n) && n >= 1)) {
    throw new ValueError(
      `${where}: expected a whole number from 1 up, or two of them; received ${JSON.stringify(option)}.`,
    );
  }
  return both;
}
