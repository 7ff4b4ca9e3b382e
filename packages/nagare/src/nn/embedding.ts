/** Embeddings: a trained row for each number. */

import { astype } from "../array/index.ts";
import {
  checkCount,
  type DType,
  DTypeError,
  formatAval,
  isInteger,
  type Tensor,
  ValueError,
} from "../core/index.ts";
import { builder } from "../ops/index.ts";
import { nextKey, uniform } from "../random/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { type Initializer, type InitializerName, initializer } from "./initializers.ts";
import { Module } from "./module.ts";
import { weightDType } from "./weightDType.ts";

/** Options of an embedding. */
export interface EmbeddingOptions {
  /** How many numbers there are: the vocabulary. */
  readonly inputDim: number;
  /** The length of each row. */
  readonly outputDim: number;
  /** Default: uniform in ±0.05. */
  readonly embeddingsInitializer?: InitializerName | Initializer;
  /** The dtype of the rows, a float; default "float32". */
  readonly dtype?: DType;
}

/** Rows are no products: fans say nothing about them. */
const small: Initializer = (shape, dtype) => uniform(nextKey(), shape, { low: -0.05, high: 0.05, dtype });

/**
 * The row of each number: integers [...] from 0 to inputDim − 1 → [..., outputDim]; embeddings [inputDim, outputDim].
 * Its gradient adds to the rows that were used and to no others. Throws ValueError for impossible options and, when the
 * numbers are there, for numbers outside; DTypeError for inputs that are no integers.
 * @example
 * const tokens = ng.tensor([[3, 1, 2]], { dtype: "int32" });
 * nn.embedding({ inputDim: 65, outputDim: 8 }).call(tokens).shape; // [1, 3, 8]
 */
export class Embedding extends Module {
  readonly inputDim: number;
  readonly outputDim: number;
  embeddings: Variable | undefined;
  readonly #make: Initializer;
  readonly #dtype: DType;

  constructor({ inputDim, outputDim, embeddingsInitializer = small, dtype }: EmbeddingOptions) {
    super();
    this.inputDim = checkCount(inputDim, 1, "Embedding: inputDim");
    this.outputDim = checkCount(outputDim, 1, "Embedding: outputDim");
    this.#make = initializer(embeddingsInitializer);
    this.#dtype = weightDType(dtype, "Embedding", "rows");
  }

  override build(): void {
    const value = this.#make([this.inputDim, this.outputDim], this.#dtype);
    this.embeddings = variable(value, { name: "embeddings" });
  }

  override forward(x: Tensor): Tensor {
    if (!this.embeddings) {
      throw new ValueError(
        "Embedding: the rows do not exist yet. Use layer.call(x), which builds the layer, in place of layer.forward(x).",
      );
    }
    if (!isInteger(x.dtype)) {
      throw new DTypeError(
        `Embedding: expected integers; received ${formatAval(x)}. Convert row numbers with .astype("int32").`,
      );
    }
    const indices = x.dtype === "int64" ? x : astype(x, "int32");
    return builder.gather(this.embeddings.value, indices, { axis: 0, batchAxes: 0 });
  }
}

/** A new `Embedding` layer. */
export function embedding(options: EmbeddingOptions): Embedding {
  return new Embedding(options);
}
