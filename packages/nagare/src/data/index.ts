/** Reading data, and bringing it to a model in batches. */
export type { Batched, TypedValues } from "./collate.ts";
export {
  Dataset,
  DatasetIterator,
  type ExampleOf,
  fromGenerator,
  fromIterable,
  fromTensors,
  type IterateOptions,
  type IteratorState,
  type ShuffleOptions,
  type TensorTree,
} from "./dataset.ts";
export { readIdx, readIdxFile } from "./idx.ts";
export { type LabeledImages, type Mnist, type MnistOptions, mnist } from "./mnist.ts";
