/** What a case of the sweep over operations is. */
import type { nn, Tensor } from "nagare";

/** An array that an operation takes: floats from −1 to 1 or other bounds, or integers from 0 up to a bound. */
export interface Operand {
  readonly shape: readonly number[];
  readonly low?: number;
  readonly high?: number;
  readonly below?: number;
}

type Shape = readonly number[];

/** A function of tensors. */
export type F = (...x: Tensor[]) => Tensor;

interface Measured {
  /** The operands, for each size that is measured. */
  readonly sizes: readonly (readonly Operand[])[];
  /** Whether the gradients by the floats are measured, too, or without the operation itself. */
  readonly gradient?: true | "only";
  /** The result's shape, where there is a gradient; default: the first operand's. */
  readonly result?: (...operands: readonly Shape[]) => Shape;
  /** Default 1e-4. */
  readonly tolerance?: number;
}

/** An operation: a function, a layer whose weights are the other operands, or work with a state. */
export type Operation = Measured &
  (
    | { readonly f: F; readonly layer?: undefined; readonly prepare?: undefined }
    | { readonly layer: (...operands: readonly Shape[]) => nn.Module; readonly prepare?: undefined }
    | { readonly prepare: (given: readonly Tensor[]) => () => Tensor; readonly layer?: undefined }
  );

/** Floats from −1 to 1. */
export const floats = (...shape: number[]): Operand => ({ shape });
/** Floats away from 0. */
export const positive = (...shape: number[]): Operand => ({ shape, low: 0.5, high: 2 });
/** Integers from 0 up to, but not including, a bound. */
export const integers = (below: number, ...shape: number[]): Operand => ({ shape, below });
