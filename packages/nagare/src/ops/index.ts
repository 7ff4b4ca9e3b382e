/** The primitives: one record each, in family files. Everything else is composed of them. */

export type {
  Cost,
  OpBuilder,
  Param,
  Params,
  Primitive,
  Pullback,
  Sample,
  SampleInput,
  ScalarBuilder,
  ScalarRule,
  ShapeParam,
} from "../trace/index.ts";
export { paramKey } from "../trace/index.ts";
export * from "./arithmetic.ts";
export * from "./attention.ts";
export * from "./batchNorm.ts";
export * from "./channelStatistics.ts";
export * from "./convolution.ts";
export * from "./creation.ts";
export * from "./crossEntropy.ts";
export type {
  BinaryOp,
  FusedOp,
  ListOp,
  NoParams,
  Op1,
  Op2,
  SourceOp,
  TernaryOp,
  UnaryOp,
} from "./define/index.ts";
export {
  asTensor,
  bindOne,
  builder,
  composite,
  convertElement,
  linearOperands,
  only,
  primitiveByName,
  primitives,
  promoteOperands,
  scalar,
  writeElement,
} from "./define/index.ts";
export { evaluateReference } from "./evaluate.ts";
export { expand } from "./expand.ts";
export * from "./groupNorm.ts";
export * from "./gru.ts";
export * from "./indexing.ts";
export * from "./layerNorm.ts";
export * from "./logic.ts";
export * from "./lstm.ts";
export * from "./matmul.ts";
export * from "./movement.ts";
export * from "./pieces.ts";
export * from "./pooling.ts";
export * from "./random.ts";
export * from "./reduction.ts";
export * from "./rmsNorm.ts";
export * from "./rowUpdate.ts";
export * from "./softmax.ts";
export * from "./transcendental.ts";
