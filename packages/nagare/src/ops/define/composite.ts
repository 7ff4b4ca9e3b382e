/** The maker of compositions that eager execution runs as one program. */
import type { Tensor } from "../../core/index.ts";
import { bind, currentDynamicTrace, type Params, type Primitive, Tracer } from "../../trace/index.ts";

/**
 * A function of several operations. Every transform and graph sees those operations; on concrete operands eager execution
 * runs them as one compiled program, so they and `params` alone must decide what `compute` does.
 */
export function composite<P extends Params, T extends readonly Tensor[]>(
  name: string,
  compute: (inputs: T, params: P) => Tensor,
): (inputs: T, params: P) => Tensor {
  const record: Primitive<P> = {
    name,
    dtypes: [],
    compiled: true,
    abstract: () => [],
    decompose: (_, inputs, params) => [compute(inputs as unknown as T, params)],
    samples: () => [],
  };
  return (inputs, params) => {
    if (currentDynamicTrace() || inputs.some((input) => input instanceof Tracer))
      return compute(inputs, params);
    return bind(record, inputs, params)[0] as Tensor;
  };
}
