/** The functions that take a tensor first, as methods of tensors: `a.add(b)` is `ng.add(a, b)`. */
import { type DType, Tensor } from "../core/index.ts";
import * as activation from "./activation.ts";
import * as elementwise from "./elementwise.ts";
import * as images from "./images.ts";
import * as indexing from "./indexing.ts";
import * as linear from "./linear.ts";
import * as normalization from "./normalization.ts";
import * as reduce from "./reduce.ts";
import * as shape from "./shape.ts";

const families = [activation, elementwise, images, indexing, linear, normalization, reduce, shape];

/**
 * Functions without their first parameter. It is not compared with a tensor here, because a tensor is what this type is
 * about to complete: the modules above export functions of a tensor only.
 */
type MethodsOf<Functions> = {
  [K in keyof Functions]: Functions[K] extends (x: never, ...rest: infer Rest) => infer Result
    ? (...rest: Rest) => Result
    : never;
};

/** The methods of every tensor. */
export interface TensorMethods
  extends MethodsOf<typeof activation>,
    MethodsOf<typeof elementwise>,
    MethodsOf<typeof images>,
    MethodsOf<typeof indexing>,
    MethodsOf<typeof linear>,
    MethodsOf<typeof normalization>,
    MethodsOf<typeof reduce>,
    MethodsOf<typeof shape> {}

declare module "../core/tensor.ts" {
  interface Tensor<D extends DType = DType> extends TensorMethods {}
}

for (const family of families) {
  for (const [name, method] of Object.entries<(x: Tensor, ...rest: never[]) => unknown>(family as never)) {
    Object.defineProperty(Tensor.prototype, name, {
      value(this: Tensor, ...rest: never[]) {
        return method(this, ...rest);
      },
      configurable: true,
      writable: true,
    });
  }
}
