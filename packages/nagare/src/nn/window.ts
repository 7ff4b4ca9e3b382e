/** The window options of layers, checked when the layer is made. */
import { type PaddingOption, type PairOption, pairOf } from "../array/index.ts";
import { ValueError } from "../core/index.ts";

/** Where the windows of a layer lie. */
export interface LayerWindow {
  readonly strides: readonly [number, number];
  readonly padding: PaddingOption;
}

/** Strides and padding of a layer. Throws ValueError for what no window can have. */
export function layerWindow(strides: PairOption, padding: PaddingOption, where: string): LayerWindow {
  const isCells = Array.isArray(padding) && padding.length === 4 && padding.every(isCellCount);
  if (padding !== "valid" && padding !== "same" && !isCells) {
    throw new ValueError(
      `${where}: expected the padding "valid", "same" or [top, bottom, left, right] as whole numbers from 0 up; ` +
        `received ${JSON.stringify(padding)}.`,
    );
  }
  return { strides: pairOf(strides, `${where}: strides`), padding };
}

function isCellCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
