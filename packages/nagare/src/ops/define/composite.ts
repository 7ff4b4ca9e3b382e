/** The maker of compositions that eager execution runs as one program. */
import type { Tensor } from "../../core/index.ts";
import { bind, type Params, type Primitive } from "../../trace/index.ts";

/**
 * A function of several operations. Transforms and graphs see those operations; on concrete operands eager execution runs
 * them, and the way back from their result, as one compiled program each, so they and `params` alone must decide what
 * `compute` does.
 */
export function composite<P extends Params, T extends readonly Tensor[]>(
  name: string,
  compute: (inputs: T, params: P) => Tensor,
): (inputs: T, params: P) => Tensor {
  const record: Primitive<P> = {
    name,
    dtypes: [],
    compiled: true,
    inline: true,
    abstract: () => [],
    decompose: (_, inputs, params) => [compute(inputs as unknown as T, params)],
    samples: () => [],
  };
  return (inputs, params) => bind(record, inputs, params)[0] as Tensor;
}
